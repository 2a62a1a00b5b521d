"""Plots in two colour schemes, as SVG that is the same for the same data.

Colours are those of Okabe and Ito, *Color Universal Design* (2008), which people with any colour vision tell apart; no
plot leaves it to colour alone: lines differ by their dashes, points by their marks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from lambent_toolkit.reporting.page import Figure

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure as Canvas

# So narrow that the text of a plot stays readable (10 px) where a page of 420 px scales it down.
WIDTH_IN = 5.2
HEIGHT_IN = 3.5
_CSS_DPI = 96
_POINTS_PER_IN = 72


@dataclass(frozen=True)
class Theme:
    """Colours of one scheme; ``series`` are told apart by any colour vision and stand out from the ground."""

    ground: str
    text: str
    muted: str
    grid: str
    series: tuple[str, ...]

    def ramp(self) -> Colormap:
        """Return a colour map from the ground to the first series' colour, for counts and shares."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("lambent", [self.ground, self.series[0]])


LIGHT = Theme(
    ground="#ffffff",
    text="#1c2026",
    muted="#575f6b",
    grid="#d5d9df",
    series=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
)
DARK = Theme(
    ground="#14171c",
    text="#e8eaee",
    muted="#a4acb8",
    grid="#3a414c",
    series=("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#FFFFFF"),
)
MARKS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def draw(
    paint: Callable[[Canvas, Theme], None],
    *,
    alt: str,
    caption: str,
    width_in: float = WIDTH_IN,
    height_in: float = HEIGHT_IN,
) -> Figure:
    """Return what ``paint`` draws on an empty canvas, once for light and once for dark pages.

    The layout keeps labels inside of the picture; text becomes outlines, so that it looks alike everywhere.
    """
    return Figure(
        light=_svg(paint, LIGHT, width_in, height_in),
        dark=_svg(paint, DARK, width_in, height_in),
        alt=alt,
        caption=caption,
        width_px=round(width_in * _CSS_DPI),
        height_px=round(height_in * _CSS_DPI),
    )


def _svg(paint: Callable[[Canvas, Theme], None], theme: Theme, width_in: float, height_in: float) -> bytes:
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure as Canvas

    settings = {
        "axes.edgecolor": theme.muted,
        "axes.facecolor": theme.ground,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.labelcolor": theme.text,
        "axes.prop_cycle": cycler(color=theme.series),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 10,
        "figure.facecolor": theme.ground,
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "grid.color": theme.grid,
        "grid.linewidth": 0.6,
        "legend.edgecolor": theme.grid,
        "legend.facecolor": theme.ground,
        "legend.framealpha": 0.85,
        "svg.fonttype": "path",
        "svg.hashsalt": "lambent",
        "text.color": theme.text,
        "xtick.color": theme.muted,
        "xtick.labelcolor": theme.text,
        "ytick.color": theme.muted,
        "ytick.labelcolor": theme.text,
    }
    with mpl.rc_context(settings):
        canvas = Canvas(figsize=(width_in, height_in), dpi=_POINTS_PER_IN, layout="constrained")
        paint(canvas, theme)
        body = BytesIO()
        canvas.savefig(body, format="svg", metadata={"Date": None, "Creator": None})
    return body.getvalue()


def shortened(label: str, *, at_most: int = 22) -> str:
    """Return a label that fits beside an axis: a long one loses its middle, where names differ the least."""
    if len(label) <= at_most:
        return label
    tail = at_most // 3
    return f"{label[: at_most - tail - 1]}…{label[-tail:]}"
