"""The parts of report.html that only a classifier of several labels an item has."""

from __future__ import annotations

from collections.abc import Sequence

from lambent_toolkit.modelkit.evaluating.tables import labels_table
from lambent_toolkit.modelkit.evaluating.wording import interval, percent
from lambent_toolkit.modelkit.report import Estimate, LabelFigures, SeveralLabelsFigures
from lambent_toolkit.reporting.page import Block, Figure, KeyFigure, Prose, Section
from lambent_toolkit.reporting.plots import Interval, interval_plot

_MOST_PLOTTED = 30


def key_figures(figures: SeveralLabelsFigures, items: int) -> list[KeyFigure]:
    """Return what is shown in large type."""
    wanted = {
        "mAP": figures.mean_average_precision,
        "micro F1": figures.micro["f1"],
        "macro F1": figures.macro["f1"],
    }
    return [
        KeyFigure(name, percent(each.value), f"{interval(each, percent)}, n = {items}")
        for name, each in wanted.items()
        if each is not None
    ]


def sections(figures: SeveralLabelsFigures) -> list[Section]:
    """Return the sections, of the answers of the published file to all items."""
    told = (
        f"Each label is a question of its own, answered yes from a score of {figures.threshold:g} on: precision and "
        "recall are at that threshold, the average precision (AP) is over all thresholds."
    )
    return [Section("Labels", [*_plots(figures), labels_table(figures.labels), Prose(told)])]


def _plots(figures: SeveralLabelsFigures) -> Sequence[Block]:
    measured = [(each, each.average_precision) for each in figures.labels]
    occurring = [(each, found) for each, found in measured if found is not None]
    worst = sorted(occurring, key=lambda pair: pair[1].value)[:_MOST_PLOTTED]
    blocks: list[Block] = [_plot([pair for pair in occurring if pair in worst], len(occurring))] if occurring else []
    missing = [each.label for each, found in measured if found is None]
    if missing:
        blocks.insert(0, Prose(f"No test item has {', '.join(missing[:20])}: nothing is known of how they are found."))
    return blocks


def _plot(found: Sequence[tuple[LabelFigures, Estimate]], of: int) -> Figure:
    which = "" if len(found) == of else f" The {len(found)} labels of the lowest."
    lowest = min(found, key=lambda pair: pair[1].value)
    return interval_plot(
        [
            Interval(
                each.label,
                100 * value.value,
                100 * (value.value if value.low is None else value.low),
                100 * (value.value if value.high is None else value.high),
                f"n = {each.items}",
            )
            for each, value in found
        ],
        axis="average precision (%)",
        alt=f"Average precision of {len(found)} labels with 95 % intervals; lowest {lowest[0].label}, "
        f"{100 * lowest[1].value:.1f} %.",
        caption=f"Average precision by label, n being the items that have it.{which} Bars are 95 % intervals.",
    )
