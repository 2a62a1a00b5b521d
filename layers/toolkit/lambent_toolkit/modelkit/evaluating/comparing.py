"""Two models on the same items, each with its own contract, in the serving interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification, ModelContract, Regression
from lambent.domain.model import digest
from lambent_toolkit.modelkit.answer_loss import has_several_labels
from lambent_toolkit.modelkit.errors import ModelsIncomparable
from lambent_toolkit.modelkit.evaluating.answers import UNANSWERED, Scored, answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.bootstrap import FEW_ITEMS, Floats, estimate, mean_of, resample, share
from lambent_toolkit.modelkit.evaluating.comparison_report import (
    Comparison,
    Contestant,
    Difference,
    DifferingAnswer,
    DifferingItem,
)
from lambent_toolkit.modelkit.evaluating.contestants import (
    Ready,
    check_comparable,
    items_for,
    test_items,
    trained_on,
)
from lambent_toolkit.modelkit.evaluating.each_label import EACH_FOR_ITSELF, is_each_label_for_itself
from lambent_toolkit.modelkit.evaluating.measuring import Measured, measure, variant_figures
from lambent_toolkit.modelkit.evaluating.paired import error_difference, mcnemar
from lambent_toolkit.modelkit.evaluating.verdict import classifier_verdict, regression_verdict
from lambent_toolkit.modelkit.quantization_loss import paired_interval
from lambent_toolkit.modelkit.recipe import LabelledItems, Prepared, prepare_items
from lambent_toolkit.modelkit.report import Estimate
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

_TOOLS = ("numpy", "scipy", "scikit-learn")
_MOST_REGRESSION_ITEMS = 50


@dataclass(frozen=True)
class Compared:
    """A comparison with what its page shows: the items, as the first model's contract takes them."""

    comparison: Comparison
    items: list[bytes]
    contract: ModelContract


@dataclass(frozen=True)
class _Run:
    """One model's answers to the items."""

    ready: Ready
    part: Prepared
    measured: Measured

    @property
    def rows(self) -> NDArray[Any]:
        subject = self.ready.subject
        return answer_rows(self.measured.outputs[subject.published], subject.contract, of=subject.name)


def compare(first: Ready, second: Ready, *, data_name: str | None = None, watcher: Watcher = SILENCE) -> Compared:
    """Run two models on the same test items and say whether, where and how much they differ.

    Parameters
    ----------
    data_name   of the data; the first model's own if None

    Raises
    ------
    ModelsIncomparable               they take other items, answer something else, or score each label for itself
    DataNeeded, DataUnknown, DataUnfit   see `test_items`
    ServingRefused, ServingCheckFailed, AnswersNotFinite   see `measure`
    """
    first, second = _told_apart(first, second)
    check_comparable(first.subject, second.subject)
    name, items = test_items(first, data_name)
    runs = [_run(each, items, name, watcher) for each in (first, second)]
    spec = first.subject.contract.postprocessing
    found = _classifiers(runs) if isinstance(spec, Classification) else _regressions(runs)
    comparison = Comparison(
        data_name=name,
        items=len(items),
        warnings=_warnings((first, second), items),
        tools={tool: version(tool) for tool in _TOOLS}
        | {f"serving {tool}": number for tool, number in runs[0].measured.place.versions.items()},
        **found,
    )
    return Compared(comparison, items.items, first.subject.contract)


def _told_apart(first: Ready, second: Ready) -> tuple[Ready, Ready]:
    """Return both with names by which a reader tells them apart: two folders of one name by their paths."""
    if first.subject.name != second.subject.name or first.folder is None or second.folder is None:
        return first, second
    renamed = [replace(each, subject=replace(each.subject, name=str(each.folder))) for each in (first, second)]
    return renamed[0], renamed[1]


def _run(ready: Ready, items: LabelledItems, name: str, watcher: Watcher) -> _Run:
    # The float model is not compared: what is served is.
    subject = replace(ready.subject, float_model=None)
    part = prepare_items(items_for(ready, items, name), subject.declaration)
    return _Run(replace(ready, subject=subject), part, measure(subject, part, watcher=watcher))


def _classifiers(runs: Sequence[_Run]) -> dict[str, Any]:
    scored = [_scored(run) for run in runs]
    rights = [each.right(run.part.targets.astype(np.int64)) for each, run in zip(scored, runs, strict=True)]
    first_only, second_only = int((rights[0] & ~rights[1]).sum()), int((rights[1] & ~rights[0]).sum())
    items = len(rights[0])
    low, high = paired_interval(second_only, first_only, items)
    significance = mcnemar(first_only, second_only)
    difference = Difference(
        metric="accuracy",
        value=100 * (second_only - first_only) / items,
        low=100 * low,
        high=100 * high,
        p_value=significance.p_value,
        test=significance.method,
    )
    names = [run.ready.subject.name for run in runs]
    answers = [_labels(each, run) for each, run in zip(scored, runs, strict=True)]
    differing = [row for row in range(items) if answers[0][row] != answers[1][row]]
    outcome, verdict = classifier_verdict(names, difference, first_only + second_only, len(differing), items)
    return {
        "task": "classification",
        "unit": None,
        "first": _contestant(runs[0], _accuracy(rights[0])),
        "second": _contestant(runs[1], _accuracy(rights[1])),
        "differences": [difference],
        "first_only": first_only,
        "second_only": second_only,
        "both_wrong": int((~rights[0] & ~rights[1]).sum()),
        "differing": len(differing),
        "differing_items": _differing_labels(runs, scored, answers, differing),
        "outcome": outcome,
        "verdict": verdict,
    }


def _scored(run: _Run) -> Scored:
    spec = run.ready.subject.contract.postprocessing
    if not isinstance(spec, Classification):
        raise TypeError(f"{run.ready.subject.name} is no classifier.")
    scored = score(run.rows, spec)
    if is_each_label_for_itself(scored.scores, spec) or has_several_labels(run.part.targets):
        raise ModelsIncomparable(
            f"{run.ready.subject.name} cannot be compared by its best label: {EACH_FOR_ITSELF}. Evaluate both on data "
            "with all labels of each item, and compare their mean average precisions."
        )
    return scored


def _labels(scored: Scored, run: _Run) -> list[str | None]:
    labels = run.ready.subject.contract.postprocessing.labels  # type: ignore[union-attr]
    return [None if each == UNANSWERED else labels[each] for each in scored.answers]


def _accuracy(right: NDArray[np.bool_]) -> Estimate:
    found = share(int(right.sum()), len(right), resample(len(right), {"right": mean_of(right)})["right"])
    if found is None:
        raise ValueError("There is no item.")
    return found


def _differing_labels(
    runs: Sequence[_Run], scored: Sequence[Scored], answers: Sequence[list[str | None]], rows: Sequence[int]
) -> list[DifferingItem]:
    labels = runs[0].ready.subject.contract.postprocessing.labels  # type: ignore[union-attr]

    def answer(which: int, row: int, truth: str) -> DifferingAnswer:
        best = scored[which].scores[row].max()
        return DifferingAnswer(label=answers[which][row], score=float(best), is_right=answers[which][row] == truth)

    found = []
    for row in rows:
        truth = labels[int(runs[0].part.targets[row])]
        item = runs[0].part.items[row]
        found.append(
            DifferingItem(
                item=row, sha256=digest(item), truth=truth, first=answer(0, row, truth), second=answer(1, row, truth)
            )
        )
    return sorted(found, key=_by_interest)


def _by_interest(each: DifferingItem) -> tuple[int, float]:
    """Sort key: what only the second gets wrong, then only the first, then both; the surest first."""
    if not isinstance(each.first, DifferingAnswer) or not isinstance(each.second, DifferingAnswer):
        raise TypeError("Only classifiers answer with labels.")
    if each.first.is_right:
        return 0, -each.second.score
    return (1, -each.first.score) if each.second.is_right else (2, -max(each.first.score, each.second.score))


def _regressions(runs: Sequence[_Run]) -> dict[str, Any]:
    values = [_numbers(run) for run in runs]
    targets = runs[0].part.targets.astype(np.float64)
    errors = [each - targets for each in values]
    unit = runs[0].ready.subject.contract.postprocessing.unit  # type: ignore[union-attr]
    differences = [
        _difference("rmse", errors[0] ** 2, errors[1] ** 2),
        _difference("mae", np.abs(errors[0]), np.abs(errors[1])),
    ]
    names = [run.ready.subject.name for run in runs]
    outcome, verdict = regression_verdict(names, differences[0], len(targets), unit)
    apart = np.abs(np.abs(errors[0]) - np.abs(errors[1]))
    rows = np.argsort(-apart, kind="stable")[:_MOST_REGRESSION_ITEMS]
    return {
        "task": "regression",
        "unit": unit,
        "first": _contestant(runs[0], _rmse(errors[0]), mae=_mae(errors[0])),
        "second": _contestant(runs[1], _rmse(errors[1]), mae=_mae(errors[1])),
        "differences": differences,
        "differing": int((values[0] != values[1]).sum()),
        "differing_items": [
            DifferingItem(
                item=int(row),
                sha256=digest(runs[0].part.items[row]),
                truth=float(targets[row]),
                first=float(values[0][row]),
                second=float(values[1][row]),
            )
            for row in rows
            if apart[row] > 0
        ],
        "outcome": outcome,
        "verdict": verdict,
    }


def _numbers(run: _Run) -> Floats:
    spec = run.ready.subject.contract.postprocessing
    if not isinstance(spec, Regression):
        raise TypeError(f"{run.ready.subject.name} is no regression.")
    return numbers(run.rows, spec)


def _difference(metric: Any, first: Floats, second: Floats) -> Difference:
    found = error_difference(first, second, is_root=metric == "rmse")
    return Difference(
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        p_value=found.significance.p_value,
        test=found.significance.method,
    )


def _rmse(errors: Floats) -> Estimate:
    samples = resample(len(errors), {"squares": mean_of(errors**2)})["squares"]
    return estimate(float(np.sqrt((errors**2).mean())), np.sqrt(samples))


def _mae(errors: Floats) -> Estimate:
    samples = resample(len(errors), {"errors": mean_of(np.abs(errors))})["errors"]
    return estimate(float(np.abs(errors).mean()), samples)


def _contestant(run: _Run, metric: Estimate, *, mae: Estimate | None = None) -> Contestant:
    subject = run.ready.subject
    figures = variant_figures(subject, run.part, run.measured)[subject.published]
    return Contestant(
        name=subject.name,
        model_sha256=figures.sha256,
        variant=subject.published,
        figures=figures,
        metric=metric,
        mae=mae,
    )


def _warnings(both: Sequence[Ready], items: LabelledItems) -> list[str]:
    told = [
        f"{ready.subject.name} was trained on {known} of these {len(items)} items, so it knows their answers: this "
        "comparison flatters it."
        for ready in both
        if (known := trained_on(ready, items))
    ]
    if len(items) < FEW_ITEMS:
        told.append(f"These are {len(items)} items only: hardly any difference can be shown on so few.")
    return told
