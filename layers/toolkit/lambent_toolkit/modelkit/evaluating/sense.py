"""Whether a model's answers make sense at all: faults that a comparison with its own float model cannot show.

Each finding has a code, says what was seen and what to do, and stops the gate (see `gate`). All of them are looked for
on the test part; what is found there was not chosen by it, but for the order of labels, see `label_order`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, Regression
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.evaluating.answers import Scored, numbers, score
from lambent_toolkit.modelkit.evaluating.baselines import (
    NEAREST,
    classifier_baselines,
    is_guessing,
    nearest_targets,
    regression_baselines,
    unbeaten,
    why_no_nearest,
)
from lambent_toolkit.modelkit.evaluating.bootstrap import FEW_ITEMS
from lambent_toolkit.modelkit.evaluating.forecasts import Forecasts
from lambent_toolkit.modelkit.evaluating.label_order import LabelOrder, better_order
from lambent_toolkit.modelkit.evaluating.number_scale import NumberScale, better_scale
from lambent_toolkit.modelkit.evaluating.picture_readings import (
    Answer,
    Outputs,
    Reading,
    better_reading,
    swapped_reading,
)
from lambent_toolkit.modelkit.recipe import Prepared, Split
from lambent_toolkit.modelkit.report import BaselineFigures, ClassificationFigures, Finding

_SHOWN_LABELS = 12
# Fewer items of other classes may all be mistaken by chance.
_FEWEST_OF_OTHERS = 5
_SATURATED_SHARE = 0.9
_WRONG_SHARE = 0.2
_FEWEST_WRONG = 5
_ROUNDING = 1e-6
_FAR_BEHIND = 0.1


@dataclass(frozen=True)
class Sense:
    """What a model was held against and what is wrong with it; ``left_out`` is what it was not held against → why."""

    baselines: list[BaselineFigures]
    findings: list[Finding]
    left_out: dict[str, str] = field(default_factory=dict)


def classifier_sense(
    contract: ModelContract,
    rows: Array,
    figures: ClassificationFigures,
    split: Split,
    *,
    answer: Answer,
    output_step: float,
) -> Sense:
    """Return baselines and findings of a classifier of which one label is right.

    Parameters
    ----------
    contract      as it is served
    rows          (items, labels), the published file's output on the test part
    figures       of it
    split         the data
    answer        runs the model in another reading of its pictures
    output_step   of a quantized output, see `serving_check.Answers`
    """
    spec: Classification = contract.postprocessing  # type: ignore[assignment] - a classifier
    train, classes = (part.targets.astype(np.int64) for part in (split.train, split.test))
    scored = score(rows, spec)
    nearest = nearest_targets(split.train, split.test, contract)
    baselines = classifier_baselines(
        scored.right(classes),
        figures,
        train=train,
        test=classes,
        nearest=None if nearest is None else nearest.astype(np.int64),
    )
    commonest = int(np.bincount(train).argmax())
    findings = list(_collapsed(rows, scored, classes, spec.labels))
    order = None if findings else better_order(scored.best, classes, spec.labels, commonest=commonest)
    is_suspect = is_guessing(baselines) or _is_far_behind(baselines)
    reading = _reading(contract, split.test, answer, commonest if is_suspect else None)
    # Of two explanations of the same mistakes, the better one is told.
    if order and (reading is None or order.accuracy > 1 - reading.error):
        findings.append(_order_finding(order, spec.labels))
    elif reading:
        findings.append(_reading_finding(reading, contract))
    if saturated := _saturated(rows, spec, classes, output_step):
        findings.append(saturated)
    if is_guessing(baselines):
        findings.insert(0, _guessing(baselines, f"{figures.accuracy.value:.1%} accuracy", len(classes)))
    return Sense(baselines, findings, _no_nearest(contract, split))


def regression_sense(
    contract: ModelContract, rows: Array, split: Split, *, answer: Answer, forecasts: Forecasts | None = None
) -> Sense:
    """Return baselines and findings of a regression; see `classifier_sense`.

    Parameters
    ----------
    forecasts   made of the past of a series, see `naive_forecasts`
    """
    forecasts = forecasts or Forecasts()
    spec: Regression = contract.postprocessing  # type: ignore[assignment] - a regression
    train, targets = (part.targets.astype(np.float64) for part in (split.train, split.test))
    values = numbers(rows, spec)
    nearest = nearest_targets(split.train, split.test, contract)
    baselines = regression_baselines(
        values,
        targets,
        train=train,
        nearest=None if nearest is None else nearest.astype(np.float64),
        forecasts=forecasts.found,
    )
    findings = [constant_finding()] if is_constant(rows) and np.ptp(targets) > 0 else []
    if scale := better_scale(values, targets, guess=float(train.mean())):
        findings.append(_number_finding(scale, spec))
    if is_guessing(baselines):
        rmse = float(np.sqrt(((values - targets) ** 2).mean()))
        unit = f" {spec.unit}" if spec.unit else ""
        findings.insert(0, _guessing(baselines, f"an RMSE of {rmse:.4g}{unit}", len(targets)))
    reading = _reading(contract, split.test, answer, float(train.mean()) if is_guessing(baselines) else None)
    findings += [_reading_finding(reading, contract)] if reading else []
    return Sense(baselines, findings, {**forecasts.left_out, **_no_nearest(contract, split)})


def raw_sense(outputs: Outputs) -> Sense:
    """Return what can be told of outputs without a truth: whether they depend on the item at all."""
    constant = all(is_constant(array.reshape(len(array), -1)) for array in outputs.values())
    return Sense([], [constant_finding()] if constant else [])


def is_constant(rows: Array) -> bool:
    """Return whether all items, (items, numbers), of which there must be two, are answered by the same numbers."""
    if len(rows) < 2:  # noqa: PLR2004 - one answer has nothing to differ from
        return False
    numbers_of = rows.astype(np.float64)
    return bool((np.ptp(numbers_of, axis=0) <= _ROUNDING * max(1.0, float(np.abs(numbers_of).max()))).all())


def _collapsed(rows: Array, scored: Scored, classes: NDArray[np.int64], labels: Sequence[str]) -> Iterator[Finding]:
    told = np.unique(scored.best)
    if len(told) > 1:
        return
    others = int((classes != told[0]).sum())
    if others >= _FEWEST_OF_OTHERS and is_constant(rows):
        yield constant_finding()
    elif others >= _FEWEST_OF_OTHERS:
        yield Finding(
            code="one_class_answered",
            text=f"All {len(classes)} test items are answered {labels[int(told[0])]!r}, though {others} are of other "
            "classes. Look at how items become tensors (scale, offset, order of columns), and at the balance of the "
            "training part.",
        )


def constant_finding() -> Finding:
    """Return that the outputs do not depend on the item."""
    return Finding(
        code="constant_outputs",
        text="Every test item gets the same outputs: the model does not look at its input. Look at how items become "
        "tensors (scale, offset), and whether the weights are those that were trained.",
    )


def _saturated(rows: Array, spec: Classification, classes: NDArray[np.int64], output_step: float) -> Finding | None:
    """Return a finding where nearly all scores are 0 and 1, and many of the items so answered are answered wrongly.

    The temperature is left out of account: it hides that the model is sure of everything.
    """
    untempered = score(rows, msgspec.structs.replace(spec, temperature=1.0, threshold=0.0))
    is_sure = untempered.scores.max(axis=1) >= 1 - max(output_step, _ROUNDING)
    wrong = is_sure & (untempered.best != classes)
    if is_sure.mean() < _SATURATED_SHARE or wrong.sum() < max(_FEWEST_WRONG, _WRONG_SHARE * is_sure.sum()):
        return None
    return Finding(
        code="saturated_scores",
        text=f"{int(is_sure.sum())} of {len(classes)} test items are answered with a score of 1, {int(wrong.sum())} of "
        "them wrongly: the scores say nothing. Inputs on a larger scale than in training do this (scale, offset), and "
        "an activation that is applied twice or to something else than logits.",
    )


def _order_finding(order: LabelOrder, declared: Sequence[str]) -> Finding:
    moved = [
        f"{number}: {label}"
        for number, (label, old) in enumerate(zip(order.labels, declared, strict=True))
        if label != old
    ]
    told = ", ".join(moved[:_SHOWN_LABELS]) + (", …" if len(moved) > _SHOWN_LABELS else "")
    name = "alphabetical order" if order.is_alphabetical else "another order"
    return Finding(
        code="labels_in_other_order",
        text=f"The labels are declared in another order than the model's outputs have: as declared, "
        f"{order.declared_accuracy:.1%} of {order.items} test items are right, in {name} {order.accuracy:.1%}. The "
        f"outputs that mean something else, by number: {told}. Declare the labels in the order that the model was "
        "trained with.",
    )


def _reading(contract: ModelContract, test: Prepared, answer: Answer, guess: float | None) -> Reading | None:
    """Return a better reading of the pictures; other scales are tried of a model that may as well ``guess``."""
    reading = None if guess is None else better_reading(contract, test, answer, guess)
    return reading or swapped_reading(contract, test, answer)


def _reading_finding(reading: Reading, contract: ModelContract) -> Finding:
    return _scale_finding(reading, contract) if reading.is_rescaled else _channels_finding(reading, contract)


def _channels_finding(reading: Reading, contract: ModelContract) -> Finding:
    was, now = _both(reading, contract)
    return Finding(
        code="pictures_in_other_channels",
        text="The model was made for pictures with red and blue exchanged (BGR, as OpenCV reads them): as declared "
        f"{was}, with both exchanged {now}, on {reading.items} test items. Lambent gives RGB wherever it answers: "
        "exchange them in the model, by keras.ops.flip(pixels, axis=-1) before its first layer, or train it with RGB.",
    )


def _both(reading: Reading, contract: ModelContract) -> tuple[str, str]:
    """Return in words how good the declared reading is, and this one."""
    if isinstance(contract.postprocessing, Classification):
        return f"{1 - reading.declared_error:.1%} are right", f"{1 - reading.error:.1%}"
    return f"the RMSE is {reading.declared_error:.4g}", f"{reading.error:.4g}"


def _scale_finding(reading: Reading, contract: ModelContract) -> Finding:
    spec: ImagePreprocessing = contract.preprocessing  # type: ignore[assignment] - pictures
    was, now = _both(reading, contract)
    colours = ", and red and blue exchanged (BGR)" if reading.is_swapped else ""
    return Finding(
        code="pictures_on_other_scale",
        text=f"The model was made for pixels on another scale: as declared (pixel * {spec.scale:.4g} + "
        f"{spec.offset:.4g}) {was}, with pixels from {reading.name} (pixel * {reading.scale:.4g} + "
        f"{reading.offset:.4g}){colours} {now}, on {reading.items} test items. Set preprocessing.scale and .offset so, "
        "then import or train it again.",
    )


def _no_nearest(contract: ModelContract, split: Split) -> dict[str, str]:
    why = why_no_nearest(split.train, split.test, contract)
    return {NEAREST: why} if why else {}


def _number_finding(scale: NumberScale, spec: Regression) -> Finding:
    unit = f" {spec.unit}" if spec.unit else ""
    if scale.factor is None or scale.shift is None:
        remedy = "The model answers logarithms: end it in their exponential, or name the logarithm's unit and targets"
    else:
        remedy = (
            "Set postprocessing.scale to "
            f"{spec.scale * scale.factor:.6g} and offset to {spec.offset * scale.factor + scale.shift:.6g}, or look at "
            "how the targets were scaled for training, and at the unit of the data"
        )
    return Finding(
        code="answers_on_other_scale",
        text="The answers follow the truth on another scale: as declared the RMSE is "
        f"{scale.declared_error:.4g}{unit}, of {scale.name} it is {scale.error:.4g}{unit}, "
        f"on {scale.items} test items that did not choose it. {remedy}.",
    )


def _guessing(baselines: Sequence[BaselineFigures], own: str, items: int) -> Finding:
    first = unbeaten(baselines) or baselines[0]
    is_share = first.metric in {"accuracy", "macro recall"}
    told = f"{first.value:.1%}" if is_share else f"{first.value:.4g}"
    who = f"the {first.name}" if first.is_forecast else f"answering {first.name}"
    past = "what it has learnt of the series beyond its last values, at " if first.is_forecast else ""
    few = f" On {items} items only a large difference shows." if items < FEW_ITEMS else ""
    return Finding(
        code="no_better_than_guessing",
        text=f"No better than guessing: {own} on {items} test items, {who} has {told}.{few} Look at {past}how items "
        "become tensors, at the order of the labels or the unit of the targets, and at the training.",
    )


def _is_far_behind(baselines: Sequence[BaselineFigures]) -> bool:
    """Return whether the nearest training item's answer is right far more often."""
    return any(
        each.name == NEAREST and each.better_by.high is not None and each.better_by.high < -_FAR_BEHIND
        for each in baselines
    )
