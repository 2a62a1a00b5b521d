"""Whether the answers of a classifier of several labels make sense: beside guessing, and label by label."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from lambent.contracts.model import Classification, ModelContract
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.evaluating.answers import score
from lambent_toolkit.modelkit.evaluating.baselines import SURE, above, is_guessing
from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.evaluating.each_label import decisions
from lambent_toolkit.modelkit.evaluating.paired import error_difference
from lambent_toolkit.modelkit.evaluating.sense import Sense, constant_finding, is_constant
from lambent_toolkit.modelkit.evaluating.several_labels import Matrix, chance_precisions
from lambent_toolkit.modelkit.recipe import Split
from lambent_toolkit.modelkit.report import BaselineFigures, Estimate, Finding, SeveralLabelsFigures

# Fewer items with a label, or without it, may get the same score by chance or by rounding.
_FEWEST_OF_EACH = 5
_SHOWN_LABELS = 12


def several_labels_sense(contract: ModelContract, rows: Array, figures: SeveralLabelsFigures, split: Split) -> Sense:
    """Return baselines and findings.

    Parameters
    ----------
    contract   of a classifier
    rows       (items, labels), the published file's output on the test part
    figures    of it
    split      whose targets are (items, labels), 0 and 1
    """
    spec: Classification = contract.postprocessing  # type: ignore[assignment] - a classifier
    train, truths = (part.targets.astype(bool) for part in (split.train, split.test))
    scores = score(rows, msgspec.structs.replace(spec, threshold=0.0)).scores
    baselines = list(_baselines(scores, decisions(scores, spec), train, truths, figures))
    findings = [constant_finding()] if is_constant(rows) and len(truths) > 1 else list(_constant(rows, truths, spec))
    if is_guessing(baselines):
        findings.insert(0, _guessing(baselines, figures, len(truths)))
    return Sense(baselines, findings)


def _baselines(
    scores: Floats, said: Matrix, train: Matrix, truths: Matrix, figures: SeveralLabelsFigures
) -> Iterator[BaselineFigures]:
    if len(truths) < 2:  # noqa: PLR2004 - no interval of one item
        return
    commonest = train.mean(axis=0) > 0.5  # noqa: PLR2004 - the half
    ours, theirs = ((each != truths).mean(axis=1).astype(np.float64) for each in (said, commonest))
    difference = error_difference(theirs, ours, is_root=False)
    yield BaselineFigures(
        name="each label's commonest value of the training part",
        metric="label accuracy",
        value=1 - float(theirs.mean()),
        better_by=Estimate(value=difference.value, low=difference.low, high=difference.high, method="bootstrap"),
        p_value=difference.significance.p_value,
        is_beaten=difference.value > 0 and difference.significance.p_value <= 1 - SURE,
    )
    found = figures.mean_average_precision
    if found is not None:
        yield _by_chance(found, chance_precisions(scores, truths))


def _by_chance(found: Estimate, chance: Floats) -> BaselineFigures:
    """Return what the same scores reach if they belong to other items, and whether it is less: by permutation."""
    mean = float(chance.mean())
    p_value = (int((chance >= found.value).sum()) + 1) / (len(chance) + 1)
    return BaselineFigures(
        name="the same scores, for other items",
        metric="mAP",
        value=mean,
        better_by=above(found, mean),
        p_value=p_value,
        is_beaten=p_value <= (1 - SURE) / 2,
    )


def _constant(rows: Array, truths: Matrix, spec: Classification) -> Iterator[Finding]:
    """Yield a finding of labels whose score never changes, though enough items have the label and enough do not."""
    positives = truths.sum(axis=0)
    named = [
        label
        for each, label in enumerate(spec.labels)
        if min(positives[each], len(truths) - positives[each]) >= _FEWEST_OF_EACH and is_constant(rows[:, [each]])
    ]
    if named:
        told = ", ".join(named[:_SHOWN_LABELS]) + (", …" if len(named) > _SHOWN_LABELS else "")
        yield Finding(
            code="constant_labels",
            text=f"Every test item gets the same score for {told}, though some have the label and some do not: the "
            "model does not know it. Look at its share of the training part, and at the loss, which must be of each "
            "label for itself (binary cross-entropy).",
        )


def _guessing(baselines: list[BaselineFigures], figures: SeveralLabelsFigures, items: int) -> Finding:
    found = figures.mean_average_precision
    ranked = "" if found is None else f" and a mean average precision of {found.value:.1%}"
    told = ", ".join(f"{each.name} {each.value:.1%}" for each in baselines)
    return Finding(
        code="no_better_than_guessing",
        text=f"No better than guessing: {figures.label_accuracy.value:.1%} of the answers of all labels are right"
        f"{ranked} on {items} test items; without a model: {told}. Look at how items become tensors, at the order of "
        "the labels, and at the training.",
    )
