"""Figures in words: the same in the terminal, on the page and on the model card."""

from __future__ import annotations

from collections.abc import Callable

from lambent_toolkit.modelkit.card import Figure
from lambent_toolkit.modelkit.quantization_report import Loss
from lambent_toolkit.modelkit.report import (
    ClassificationFigures,
    Estimate,
    RegressionFigures,
    Report,
    SeveralLabelsFigures,
)

Format = Callable[[float], str]
NO_INTERVAL = "-"


def percent(value: float) -> str:
    """Return a share as ``97.8 %``."""
    return f"{value:.1%}".replace("%", " %")


def number(value: float) -> str:
    """Return a number with four digits that matter."""
    return f"{value:.4g}"


def in_unit(unit: str | None) -> Format:
    """Return a format of numbers with their unit, if they have one."""
    return lambda value: f"{value:.4g} {unit}" if unit else f"{value:.4g}"


def interval(estimate: Estimate, form: Format) -> str:
    """Return an interval as ``96.1 to 99.2 %``, the unit once; a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return NO_INTERVAL
    low, high = form(estimate.low), form(estimate.high)
    _, _, unit = high.partition(" ")
    return f"{low.removesuffix(f' {unit}') if unit else low} to {high}"


def figure(name: str, estimate: Estimate | None, form: Format = percent) -> Figure:
    """Return a named figure; one that is not defined says so."""
    if estimate is None:
        return Figure(name, "not defined")
    return Figure(name, form(estimate.value), interval(estimate, form))


def key_figures(report: Report) -> list[Figure]:
    """Return the figures of the published file that a reader looks for first."""
    if report.classification:
        return _classification(report.classification)
    if report.several_labels:
        return _several_labels(report.several_labels)
    if report.regression:
        return _regression(report.regression)
    told = [Figure("accuracy", "unmeasured", NO_INTERVAL)] if report.unmeasured else []
    return told if report.measured.output_error_max is None else [*told, _error(report)]


def loss_text(loss: Loss, report: Report) -> str:
    """Return in words how the published file compares with the float model."""
    if report.metric == "outputs":
        return f"outputs {loss.value:.2%} off (95 %: {loss.low:.2%} to {loss.high:.2%})"
    if report.metric == "rmse":
        return f"{loss.value:+.2%} RMSE (95 %: {loss.low:+.2%} to {loss.high:+.2%})"
    # 0.0 - 0.0 has no sign, -0.0 would show one.
    value, low, high = (0.0 - each for each in (loss.value, loss.high, loss.low))
    return (
        f"{value:+.2f} pt accuracy (95 %: {low:+.2f} to {high:+.2f}); of the items, only the float model gets "
        f"{loss.only_float_right} right, only the served file {loss.only_variant_right}"
    )


def left_out_text(report: Report) -> str | None:
    """Return what the model was not held against and why; None where nothing was left out."""
    if not report.left_out:
        return None
    return "Not held against: " + "; ".join(f"{name}: {why}" for name, why in report.left_out.items()) + "."


def unmeasured_text(report: Report) -> str | None:
    """Return that nothing is known of how often a model is right, and what is looked at instead; None where it is."""
    if report.unmeasured is None:
        return None
    return (
        f"Unmeasured: {report.unmeasured}. What is looked at is whether the outputs depend on the item, and how near "
        "they come to the float model's."
    )


def _classification(figures: ClassificationFigures) -> list[Figure]:
    found = [figure("accuracy", figures.accuracy)]
    found += [figure(f"top-{each.k} accuracy", each.accuracy) for each in figures.top_k]
    found += [
        figure("macro F1", figures.macro_f1),
        figure("weighted F1", figures.weighted_f1),
        figure("macro precision", figures.macro_precision),
        figure("macro recall", figures.macro_recall),
        figure("AUC, one against the rest", figures.auc, lambda value: f"{value:.4f}"),
    ]
    for curve in figures.reliability:
        at = f" at temperature {curve.temperature:.3g}"
        found += [
            Figure(f"ECE{at}", percent(curve.ece), f"calibrated: ≤ {percent(curve.ece_limit)}"),
            figure(f"log loss{at}", curve.log_loss, lambda value: f"{value:.4f}"),
            figure(f"Brier score{at}", curve.brier, lambda value: f"{value:.4f}"),
        ]
    if figures.answered < 1:
        found.append(
            Figure(f"answered (score of {figures.threshold:g} or more)", percent(figures.answered), NO_INTERVAL)
        )
    return found


def _several_labels(figures: SeveralLabelsFigures) -> list[Figure]:
    averaged = [
        figure(f"{average} {name}", estimated)
        for average, parts in (("micro", figures.micro), ("macro", figures.macro))
        for name, estimated in ((each.upper() if each == "f1" else each, parts[each]) for each in parts)
    ]
    return [
        figure("mean average precision (mAP)", figures.mean_average_precision),
        *averaged,
        figure("all labels of an item right", figures.exact_match),
        figure("answers of all labels right", figures.label_accuracy),
        Figure("threshold of a label", f"{figures.threshold:g}", NO_INTERVAL),
    ]


def _regression(figures: RegressionFigures) -> list[Figure]:
    form = in_unit(figures.unit)
    return [
        figure("RMSE", figures.rmse, form),
        figure("MAE", figures.mae, form),
        *([figure("MASE", figures.mase, number)] if figures.mase else []),
        figure("R²", figures.r2, number),
        figure("bias (mean of answer - truth)", figures.bias, form),
    ]


def _error(report: Report) -> Figure:
    largest = report.measured.output_error_max
    return Figure("largest difference of an output from the float model's", f"{largest:.4g}", NO_INTERVAL)
