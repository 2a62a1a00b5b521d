"""The trade-off between what a model costs and how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lambent_toolkit.reporting.drawing import MARKS, Theme, draw
from lambent_toolkit.reporting.page import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from matplotlib.transforms import Bbox

# A wider range of costs would press all but one of the points to the edge of a linear axis.
_LOG_FROM_RATIO = 8
# Where a label may stand, in points from its mark, near places first: (dx, dy, horizontal, vertical alignment).
_PLACES = tuple(
    (dx * reach, dy * reach, {1: "left", 0: "center", -1: "right"}[dx], {1: "bottom", 0: "center", -1: "top"}[dy])
    for reach in (7, 16, 28, 42)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
)
_NEAR = 8


@dataclass(frozen=True)
class Choice:
    """One of the things to choose from: its cost (less is better) and its quality (more is better).

    ``is_chosen`` is drawn filled and named so.
    """

    name: str
    cost: float
    quality: float
    is_chosen: bool = False
    low: float | None = None
    high: float | None = None


def pareto_frontier(choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices that no other one beats in cost and quality, cheapest first."""
    frontier: list[Choice] = []
    for choice in sorted(choices, key=lambda each: (each.cost, -each.quality)):
        if not frontier or choice.quality > frontier[-1].quality:
            frontier.append(choice)
    return frontier


def pareto_plot(choices: Sequence[Choice], *, cost_axis: str, quality_axis: str, alt: str, caption: str) -> Figure:
    """Draw quality against cost, every point with its name, and the frontier of those that no other one beats.

    Costs that spread over a factor of eight or more have a logarithmic axis. ``low`` and ``high`` of a choice are the
    confidence interval of its quality.
    """
    costs = [each.cost for each in choices]
    is_log = min(costs) > 0 and max(costs) / min(costs) >= _LOG_FROM_RATIO
    frontier = pareto_frontier(choices)

    def paint(canvas: Canvas, theme: Theme) -> None:
        axes = canvas.add_subplot()
        axes.step(
            [each.cost for each in frontier],
            [each.quality for each in frontier],
            where="post",
            color=theme.muted,
            linestyle="--",
            linewidth=1.3,
            label="frontier: nothing is both cheaper and better",
        )
        for number, each in enumerate(choices):
            color = theme.series[number % len(theme.series)]
            if each.low is not None and each.high is not None:
                axes.vlines(each.cost, each.low, each.high, color=color, linewidth=1.2, alpha=0.7)
            face = color if each.is_chosen else theme.ground
            mark = MARKS[number % len(MARKS)]
            axes.plot(each.cost, each.quality, mark, color=color, markerfacecolor=face, markersize=9, markeredgewidth=2)
        if is_log:
            _log_axis(axes)
        axes.margins(x=0.22, y=0.22)
        axes.set_xlabel(cost_axis)
        axes.set_ylabel(quality_axis)
        canvas.legend(loc="outside upper center", frameon=False, fontsize=9)
        _name_points(canvas, axes, choices, theme)

    return draw(paint, alt=alt, caption=caption, height_in=3.9)


def _log_axis(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name_points(canvas: Canvas, axes: Any, choices: Sequence[Choice], theme: Theme) -> None:
    """Write each name beside its point: greedily, at the nearest place that covers no point, no line and no name."""
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")  # names are placed for this layout and must not move it
    taken = [*_line_boxes(axes, choices)]
    for each in choices:
        x, y = axes.transData.transform((each.cost, each.quality))
        taken.append(_around((x, y), (x, y), margin=6))
    for each in choices:
        name = f"{each.name} (chosen)" if each.is_chosen else each.name
        taken.append(_place(axes, (each.cost, each.quality), name, taken, theme))


def _line_boxes(axes: Any, choices: Sequence[Choice]) -> Iterator[Bbox]:
    for each in choices:
        if each.low is not None and each.high is not None:
            yield _around(*axes.transData.transform([(each.cost, each.low), (each.cost, each.high)]), margin=1)
    frontier = pareto_frontier(choices)
    for left, right in pairwise(frontier):
        corner = (right.cost, left.quality)
        yield _around(*axes.transData.transform([(left.cost, left.quality), corner]), margin=1)
        yield _around(*axes.transData.transform([corner, (right.cost, right.quality)]), margin=1)


def _around(start: Sequence[float], end: Sequence[float], *, margin: float) -> Bbox:
    from matplotlib.transforms import Bbox

    return Bbox.from_extents(start[0] - margin, start[1] - margin, end[0] + margin, end[1] + margin)


def _place(axes: Any, point: tuple[float, float], name: str, taken: Sequence[Bbox], theme: Theme) -> Bbox:
    from matplotlib.text import Text

    frame = axes.get_window_extent()
    tried = []
    for dx, dy, horizontal, vertical in _PLACES:
        label = axes.annotate(
            name,
            point,
            xytext=(dx, dy),
            textcoords="offset points",
            ha=horizontal,
            va=vertical,
            fontsize=9,
            arrowprops=None if max(abs(dx), abs(dy)) < _NEAR else {"arrowstyle": "-", "color": theme.muted, "lw": 0.7},
        )
        label.get_window_extent()  # moves the text to its place
        box = Text.get_window_extent(label)  # the annotation's own extent holds its arrow too
        covered = sum(_common_area(box, other) for other in taken)
        tried.append((covered + box.width * box.height - _common_area(box, frame), len(tried), label, box))
    best = min(tried, key=lambda each: each[:2])
    for _, _, label, _ in tried:
        if label is not best[2]:
            label.remove()
    return best[3]


def _common_area(box: Bbox, other: Bbox) -> float:
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    return max(0.0, width) * max(0.0, height)
