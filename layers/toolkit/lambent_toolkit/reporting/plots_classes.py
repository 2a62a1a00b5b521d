"""Plots of classifiers: the confusion matrix and the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.reporting.drawing import DASHES, MARKS, WIDTH_IN, Theme, draw, shortened
from lambent_toolkit.reporting.page import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

# Beyond it counts no longer fit into the cells.
MAX_ANNOTATED_CLASSES = 20
_CELL_IN = 0.36
_MAX_TICKS = 30
# Makes a single mistake in a hundred visible beside a full diagonal.
_SHARE_POWER = 0.4
_DARK_CELL = 0.55


@dataclass(frozen=True)
class ReliabilityCurve:
    """Bins of confidence that hold items; all arrays have one value for each.

    Parameters
    ----------
    name             of the curve in the legend
    confidence       mean confidence of the bin's items, 0 to 1
    accuracy         share of them that is right, 0 to 1
    low, high        confidence interval of that share
    counts           items in the bin
    """

    name: str
    confidence: Sequence[float]
    accuracy: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True)
class RocCurve:
    """Share of the other classes' items (``wrong``) and of the class's own (``right``) above each threshold."""

    name: str
    wrong: Sequence[float]
    right: Sequence[float]


def confusion_matrix(counts: NDArray[Any], labels: Sequence[str], *, alt: str, caption: str) -> Figure:
    """Draw counts, shape (classes, classes), row = true class, column = predicted class.

    A cell's colour is its share of the row. Up to 20 classes have their counts in the cells; of more, only colours are
    shown, on a scale that makes rare mistakes visible, with every n-th label.
    """
    counts = np.asarray(counts)
    size = len(labels)
    is_annotated = size <= MAX_ANNOTATED_CLASSES
    width_in = min(9.6, max(WIDTH_IN, 1.9 + _CELL_IN * size)) if is_annotated else 7.2
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def paint(canvas: Canvas, theme: Theme) -> None:
        from matplotlib.colors import Normalize, PowerNorm

        axes = canvas.add_subplot()
        norm = Normalize(0, 1) if is_annotated else PowerNorm(_SHARE_POWER, 0, 1)
        image = axes.imshow(shares, cmap=theme.ramp(), norm=norm, interpolation="nearest", aspect="equal")
        if is_annotated:
            _annotate(axes, counts, shares, theme)
        step = -(-size // _MAX_TICKS)
        ticks = range(0, size, step)
        shown = [shortened(labels[tick], at_most=16) for tick in ticks]
        is_narrow = max(len(each) for each in shown) <= 2  # noqa: PLR2004 - two signs fit over a cell
        axes.set_xticks(ticks, shown, rotation=0 if is_narrow else 90)
        axes.set_yticks(ticks, shown)
        if size > MAX_ANNOTATED_CLASSES:
            axes.tick_params(labelsize=7)
        axes.grid(visible=False)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        bar = canvas.colorbar(image, ax=axes, shrink=0.85, ticks=[0, 0.01, 0.1, 0.5, 1] if not is_annotated else None)
        bar.ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        bar.set_label("share of the true class")
        bar.outline.set_visible(False)

    return draw(paint, alt=alt, caption=caption, width_in=width_in, height_in=width_in * 0.86)


def reliability_diagram(curves: Sequence[ReliabilityCurve], *, alt: str, caption: str, bins: int = 15) -> Figure:
    """Draw how often answers of a confidence are right, above how many answers have it (Guo et al. 2017, figure 1).

    A calibrated model's points lie on the diagonal; below it, the model promises more than it holds.
    """

    def paint(canvas: Canvas, theme: Theme) -> None:
        above, below = canvas.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=theme.muted, linestyle="--", linewidth=1.2, label="perfectly calibrated")
        for number, curve in enumerate(curves):
            color, mark = theme.series[number], MARKS[number]
            shift = (number - (len(curves) - 1) / 2) * 0.008
            x = np.asarray(curve.confidence) + shift
            above.vlines(x, curve.low, curve.high, color=color, linewidth=1.3, alpha=0.8)
            above.plot(
                x, curve.accuracy, marker=mark, markersize=6, linestyle="-", linewidth=1, color=color, label=curve.name
            )
            width = 0.8 / bins / len(curves)
            offset = (number - (len(curves) - 1) / 2) * width
            below.bar(np.asarray(curve.confidence) + offset, curve.counts, width=width, color=color)
        above.set_ylabel("accuracy")
        above.set_xlim(0, 1.02)
        above.set_ylim(-0.02, 1.04)
        for axis in (above.yaxis, below.xaxis):
            axis.set_major_formatter(lambda share, _: f"{share:.0%}")
        below.set_yscale("symlog", linthresh=1)
        below.set_ylabel("items")
        below.set_xlabel("confidence of the answer")
        canvas.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)

    return draw(paint, alt=alt, caption=caption, height_in=4.6)


def roc_plot(curves: Sequence[RocCurve], *, alt: str, caption: str) -> Figure:
    """Draw ROC curves (receiver operating characteristic), both axes in percent."""

    def paint(canvas: Canvas, theme: Theme) -> None:
        axes = canvas.add_subplot()
        axes.plot([0, 1], [0, 1], color=theme.muted, linestyle="--", linewidth=1.2)
        for curve, color, dashes in zip(curves, cycle(theme.series), cycle(DASHES), strict=False):
            axes.plot(curve.wrong, curve.right, color=color, linestyle=dashes, linewidth=1.8, label=curve.name)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.04)
        axes.set_xlabel("other classes' items taken for it")
        axes.set_ylabel("its own items found")
        axes.legend(loc="lower right", fontsize=9)

    return draw(paint, alt=alt, caption=caption, height_in=4.2)


def _annotate(axes: Any, counts: NDArray[Any], shares: NDArray[Any], theme: Theme) -> None:
    longest = len(str(counts.max()))
    font_size = max(6, min(10, 15 - 2 * longest))
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            color = theme.ground if shares[row, column] > _DARK_CELL else theme.text
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=font_size)
