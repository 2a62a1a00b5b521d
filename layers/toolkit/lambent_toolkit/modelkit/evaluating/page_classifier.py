"""The parts of report.html that only a classifier has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.evaluating.calibration import BINS
from lambent_toolkit.modelkit.evaluating.items import ShowItem
from lambent_toolkit.modelkit.evaluating.tables import classes_table
from lambent_toolkit.modelkit.evaluating.wording import interval, percent
from lambent_toolkit.modelkit.report import ClassFigures, ClassificationFigures, Estimate, Reliability
from lambent_toolkit.reporting.page import Block, Column, Figure, KeyFigure, Prose, Section, Table
from lambent_toolkit.reporting.plots import Interval, interval_plot
from lambent_toolkit.reporting.plots_classes import (
    ReliabilityCurve,
    RocCurve,
    confusion_matrix,
    reliability_diagram,
    roc_plot,
)

_MOST_PLOTTED = 30
_MOST_CURVES = 5
_MOST_PAIRS = 10


def key_figures(figures: ClassificationFigures, items: int) -> list[KeyFigure]:
    """Return what is shown in large type."""
    found = [
        KeyFigure("accuracy", percent(figures.accuracy.value), f"{interval(figures.accuracy, percent)}, n = {items}"),
        KeyFigure("macro F1", percent(figures.macro_f1.value), _interval_note(figures.macro_f1)),
    ]
    if figures.auc:
        found.append(KeyFigure("AUC (one against the rest)", f"{figures.auc.value:.4f}"))
    if figures.reliability:
        last = figures.reliability[-1]
        found.append(KeyFigure("ECE as served", percent(last.ece), f"at temperature {last.temperature:.3g}"))
    return found


def sections(
    figures: ClassificationFigures, scores: NDArray[np.float64], classes: NDArray[np.int64], show: ShowItem
) -> list[Section]:
    """Return the sections, of the answers of the published file to all items."""
    found = [
        Section("Classes", _classes(figures)),
        Section("What is taken for what", _confusion(figures)),
        Section("How far its confidence can be trusted", _reliability(figures)),
    ]
    if curves := _curves(figures, scores, classes):
        found.append(Section("Ranking", (_roc(figures, curves),)))
    return [*found, Section("Worst mistakes", _mistakes(figures, show))]


def _classes(figures: ClassificationFigures) -> Sequence[Block]:
    occurring = [each for each in figures.classes if each.items]
    worst = sorted(occurring, key=lambda each: each.recall.value if each.recall else 1.0)[:_MOST_PLOTTED]
    shown = [each for each in occurring if each in worst]
    which = "" if len(shown) == len(occurring) else f" The {len(shown)} classes of the lowest recall."
    plots: list[Block] = [
        _class_plot("recall", shown, f"Recall: share of a class's items that are answered so.{which}"),
        _class_plot("precision", shown, f"Precision: share of a class's answers that are right.{which}"),
    ]
    missing = [each.label for each in figures.classes if not each.items]
    if missing:
        plots.insert(0, Prose(f"The test part has no item of {', '.join(missing[:20])}: nothing is known of them."))
    return [*plots, classes_table(figures.classes)]


def _class_plot(name: str, classes: Sequence[ClassFigures], caption: str) -> Figure:
    found = []
    for each in classes:
        estimate: Estimate | None = getattr(each, name)
        if estimate:
            value, items = 100 * estimate.value, each.items if name == "recall" else each.answered
            low, high = (value if end is None else 100 * end for end in (estimate.low, estimate.high))
            found.append(Interval(each.label, value, low, high, f"n = {items}"))
    worst = min(found, key=lambda each: each.value)
    return interval_plot(
        found,
        axis=f"{name} (%)",
        alt=f"{name} of {len(found)} classes with 95 % intervals; lowest {worst.name}, {worst.value:.1f} %.",
        caption=f"{caption} Bars are 95 % intervals.",
    )


def _confusion(figures: ClassificationFigures) -> Sequence[Block]:
    counts = np.array(figures.confusion)
    plot = confusion_matrix(
        counts,
        figures.labels,
        alt=f"Confusion matrix of {len(figures.labels)} classes, {int(np.trace(counts))} of {int(counts.sum())} items "
        "on the diagonal.",
        caption="Items by true class (row) and best label (column); the diagonal is right.",
    )
    pairs = sorted(
        ((int(counts[true, said]), true, said) for true, said in np.argwhere(counts) if true != said), reverse=True
    )[:_MOST_PAIRS]
    if not pairs:
        return [plot, Prose("No item is taken for another class.")]
    rows = [
        [figures.labels[true], figures.labels[said], str(count), str(counts[true].sum())] for count, true, said in pairs
    ]
    columns = [Column("true class"), Column("taken for"), Column("items", is_number=True), Column("of", is_number=True)]
    return [plot, Table(columns, rows, caption="The commonest confusions")]


def _reliability(figures: ClassificationFigures) -> Sequence[Block]:
    if not figures.reliability:
        return [Prose(figures.reliability_note or "")]
    curves = [_curve(each) for each in figures.reliability]
    plot = reliability_diagram(
        curves,
        bins=BINS,
        alt="Reliability diagram: " + "; ".join(f"{each.name}" for each in curves),
        caption=f"Share of right answers by confidence, {BINS} bins of equal width, with 95 % intervals; below, how "
        "many answers have that confidence (logarithmic above 1).",
    )
    return [plot, *(Prose(_told(each)) for each in figures.reliability)]


def _curve(each: Reliability) -> ReliabilityCurve:
    return ReliabilityCurve(
        name=f"temperature {each.temperature:.3g}, ECE {percent(each.ece)}",
        confidence=[bin_.confidence for bin_ in each.bins],
        accuracy=[bin_.accuracy for bin_ in each.bins],
        low=[bin_.low for bin_ in each.bins],
        high=[bin_.high for bin_ in each.bins],
        counts=[bin_.items for bin_ in each.bins],
    )


def _told(each: Reliability) -> str:
    verdict = (
        "within what chance gives a calibrated model" if each.ece <= each.ece_limit else "more than chance explains"
    )
    return (
        f"At temperature {each.temperature:.3g}: ECE {percent(each.ece)}, {verdict} (such a model shows "
        f"{percent(each.ece_expected)} on average on so few items, at most {percent(each.ece_limit)} in 95 of 100 "
        f"cases); log loss {each.log_loss.value:.4f} nats, Brier score {each.brier.value:.4f}."
    )


def _curves(figures: ClassificationFigures, scores: NDArray[np.float64], classes: NDArray[np.int64]) -> list[RocCurve]:
    """Return the ROC curves of the classes of the smallest areas; of two classes, of the second."""
    from sklearn.metrics import roc_curve

    defined = [(each.auc.value, number) for number, each in enumerate(figures.classes) if each.auc]
    if len(figures.labels) == 2:  # noqa: PLR2004 - the other's curve is the same, mirrored
        defined = defined[-1:]
    found = []
    for area, number in sorted(defined)[:_MOST_CURVES]:
        wrong, right, _ = roc_curve(classes == number, scores[:, number])
        found.append(RocCurve(f"{figures.labels[number]}, AUC {area:.4f}", wrong.tolist(), right.tolist()))
    return found


def _roc(figures: ClassificationFigures, curves: Sequence[RocCurve]) -> Figure:
    which = "" if len(figures.labels) <= _MOST_CURVES else f" The {len(curves)} classes of the smallest areas."
    return roc_plot(
        curves,
        alt=f"ROC curves of {len(curves)} classes: {'; '.join(each.name for each in curves)}",
        caption=f"One class against the rest, by its score.{which} The dashed line is guessing.",
    )


def _mistakes(figures: ClassificationFigures, show: ShowItem) -> Sequence[Block]:
    if not figures.mistakes:
        return [Prose("There are none: every item is answered rightly.")]
    rows = [
        [
            show(each.item),
            str(each.item),
            each.truth,
            each.answer or "no answer",
            percent(each.score),
            percent(each.true_score),
        ]
        for each in figures.mistakes
    ]
    columns = [Column("item"), Column("no.", is_number=True), Column("truth"), Column("answer")]
    columns += [Column("score", is_number=True), Column("score of the truth", is_number=True)]
    caption = "Wrong answers, those first whose score is furthest above the truth's"
    return [Table(columns, rows, caption=caption)]


def _interval_note(estimate: Estimate) -> str:
    return interval(estimate, percent) if estimate.low is not None else ""
