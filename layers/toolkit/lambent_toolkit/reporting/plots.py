"""Plots of any figures: bars, lines, histograms, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.reporting.drawing import DASHES, MARKS, Theme, draw, shortened
from lambent_toolkit.reporting.page import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_BAR_IN = 0.27
_AROUND_BARS_IN = 0.9
_MAX_HEIGHT_IN = 9.0
# Single points of a longer curve would hide its line.
_MAX_MARKED_POINTS = 40


@dataclass(frozen=True)
class Interval:
    """A figure with its confidence interval, in the unit of the axis; ``note`` stands at the right, e.g. ``n = 40``."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""


def bar_chart(
    values: Mapping[str, float],
    *,
    axis: str,
    alt: str,
    caption: str,
    number_format: str = "{:g}",
) -> Figure:
    """Draw one horizontal bar for each name, in the given order from the top, with its number at its end.

    Parameters
    ----------
    axis            what the numbers are, with their unit
    number_format   of the number at a bar's end; bars beyond about 30 go without names of their own
    """
    return grouped_bar_chart({"": values}, axis=axis, alt=alt, caption=caption, number_format=number_format)


def grouped_bar_chart(
    groups: Mapping[str, Mapping[str, float]],
    *,
    axis: str,
    alt: str,
    caption: str,
    number_format: str = "{:g}",
) -> Figure:
    """Draw a bar for each name in each group (a split, a model), bars of one name beside one another.

    Parameters
    ----------
    groups   legend's text → name → number; all groups have the same names
    """
    names = list(next(iter(groups.values())))
    bars = len(names) * len(groups)
    height_in = min(_MAX_HEIGHT_IN, max(1.8, _AROUND_BARS_IN + _BAR_IN * bars))
    is_crowded = _AROUND_BARS_IN + _BAR_IN * bars > _MAX_HEIGHT_IN

    def paint(canvas: Canvas, theme: Theme) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = canvas.add_subplot()
        thickness = 0.8 / len(groups)
        hatches = ("", "///", "...")
        for number, (group, values) in enumerate(groups.items()):
            places = np.arange(len(names)) + (number - (len(groups) - 1) / 2) * thickness
            drawn = axes.barh(
                places,
                [values[name] for name in names],
                height=thickness * 0.92,
                label=group,
                color=theme.series[number % len(theme.series)],
                hatch=hatches[number % len(hatches)],
                edgecolor=theme.ground,
                linewidth=0.5,
            )
            if not is_crowded:
                texts = [number_format.format(values[name]) for name in names]
                axes.bar_label(drawn, texts, padding=3, fontsize=9, color=theme.text)
        axes.set_yticks(range(len(names)), [shortened(name) for name in names])
        if is_crowded:
            _thin_out(axes, names)
        axes.margins(x=0.16, y=0.02)
        # Small numbers have long ticks, which run into one another where there are many.
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.invert_yaxis()
        axes.set_xlabel(axis)
        axes.grid(visible=False, axis="y")
        if len(groups) > 1:
            canvas.legend(loc="outside upper center", ncols=min(3, len(groups)), frameon=False)

    return draw(paint, alt=alt, caption=caption, height_in=height_in)


def line_chart(
    lines: Mapping[str, Sequence[float]],
    *,
    x_axis: str,
    y_axis: str,
    alt: str,
    caption: str,
    first_x: int = 1,
    marked_x: Mapping[str, float] | None = None,
) -> Figure:
    """Draw curves over whole numbers, e.g. loss over epochs; NaN leaves a gap.

    Parameters
    ----------
    lines      legend's text → y at first_x, first_x + 1, …
    marked_x   name → x of a vertical line, e.g. the epoch whose weights were kept
    """

    def paint(canvas: Canvas, theme: Theme) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = canvas.add_subplot()
        for (name, ys), dashes, mark, color in zip(
            lines.items(), cycle(DASHES), cycle(MARKS), cycle(theme.series), strict=False
        ):
            xs = np.arange(first_x, first_x + len(ys))
            shown = mark if len(ys) <= _MAX_MARKED_POINTS else None
            axes.plot(xs, ys, label=name, linestyle=dashes, marker=shown, markersize=4, color=color, linewidth=1.8)
        marks = zip((marked_x or {}).items(), cycle((":", "-.")), cycle((theme.muted, theme.series[2])), strict=False)
        for (name, x), dashes, color in marks:
            axes.axvline(x, color=color, linestyle=dashes, linewidth=1.6, label=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(x_axis)
        axes.set_ylabel(y_axis)
        canvas.legend(loc="outside upper center", ncols=2, frameon=False)

    return draw(paint, alt=alt, caption=caption)


def histogram(
    values: NDArray[Any],
    *,
    x_axis: str,
    alt: str,
    caption: str,
    y_axis: str = "items",
    bins: int | str = "auto",
    marked_x: Mapping[str, float] | None = None,
) -> Figure:
    """Draw how often values occur; ``bins`` as in `numpy.histogram_bin_edges`, but at most 60."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    edges = np.histogram_bin_edges(finite, bins=bins)
    if len(edges) > 61:  # noqa: PLR2004 - narrower bars are no longer seen as bars
        edges = np.histogram_bin_edges(finite, bins=60)

    def paint(canvas: Canvas, theme: Theme) -> None:
        axes = canvas.add_subplot()
        axes.hist(finite, bins=edges, color=theme.series[0], edgecolor=theme.ground, linewidth=0.5)
        for (name, x), dashes, color in zip(
            (marked_x or {}).items(), cycle(DASHES[1:]), cycle(theme.series[1:]), strict=False
        ):
            axes.axvline(x, color=color, linestyle=dashes, linewidth=1.6, label=name)
        axes.set_xlabel(x_axis)
        axes.set_ylabel(y_axis)
        axes.grid(visible=False, axis="x")
        if marked_x:
            canvas.legend(loc="outside upper center", ncols=2, frameon=False)

    return draw(paint, alt=alt, caption=caption)


def interval_plot(
    intervals: Sequence[Interval],
    *,
    axis: str,
    alt: str,
    caption: str,
    reference: tuple[str, float] | None = None,
) -> Figure:
    """Draw figures with their confidence intervals, one a row; ``reference`` is a vertical line with its name."""
    height_in = min(_MAX_HEIGHT_IN, max(1.9, 1.1 + 0.3 * len(intervals)))

    def paint(canvas: Canvas, theme: Theme) -> None:
        axes = canvas.add_subplot()
        rows = np.arange(len(intervals))
        values = np.array([each.value for each in intervals])
        low = np.array([each.low for each in intervals])
        high = np.array([each.high for each in intervals])
        # A bootstrap's interval need not hold the figure itself, and errorbar takes no negative lengths.
        axes.hlines(rows, low, high, color=theme.series[0], linewidth=2.2)
        axes.vlines([*low, *high], [*(rows - 0.16)] * 2, [*(rows + 0.16)] * 2, color=theme.series[0], linewidth=1.4)
        axes.plot(values, rows, "o", color=theme.series[0], markersize=6)
        if reference:
            axes.axvline(reference[1], color=theme.series[1], linestyle="--", linewidth=1.5, label=reference[0])
            canvas.legend(loc="outside upper center", frameon=False)
        axes.set_yticks(rows, [shortened(each.name) for each in intervals])
        axes.set_ylim(len(intervals) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(axis)
        _notes_at_the_right(axes, intervals)

    return draw(paint, alt=alt, caption=caption, height_in=height_in)


def scatter_plot(
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    x_axis: str,
    y_axis: str,
    alt: str,
    caption: str,
    line: str | None = None,
) -> Figure:
    """Draw points, see-through where they are many.

    Parameters
    ----------
    line   "diagonal" (y = x), "zero" (y = 0) or None: where a perfect model's points lie
    """

    def paint(canvas: Canvas, theme: Theme) -> None:
        axes = canvas.add_subplot()
        axes.scatter(x, y, s=14, alpha=max(0.15, min(0.8, 60 / max(1, len(x)))), color=theme.series[0], linewidths=0)
        if line == "zero":
            axes.axhline(0, color=theme.series[1], linestyle="--", linewidth=1.5)
        if line == "diagonal":
            ends = [min(np.min(x), np.min(y)), max(np.max(x), np.max(y))]
            axes.plot(ends, ends, color=theme.series[1], linestyle="--", linewidth=1.5)
        axes.set_xlabel(x_axis)
        axes.set_ylabel(y_axis)

    return draw(paint, alt=alt, caption=caption)


def _notes_at_the_right(axes: Any, intervals: Sequence[Interval]) -> None:
    if any(each.note for each in intervals):
        right = axes.secondary_yaxis("right")
        right.set_yticks(range(len(intervals)), [each.note for each in intervals])
        right.tick_params(length=0)
        right.spines["right"].set_visible(False)


def _thin_out(axes: Any, names: Sequence[str], *, at_most: int = 30) -> None:
    step = -(-len(names) // at_most)
    axes.set_yticks(range(0, len(names), step), [shortened(name) for name in names[::step]])
