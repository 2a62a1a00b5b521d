"""A report as one HTML file: style and pictures inside, no scripts, no address of others, light and dark.

Build a `Page` from sections, each of blocks (`Prose`, `Notice`, `KeyFigures`, `Table`, `Figure`), and `render_page` it.
Every text is escaped: labels and items of strangers may stand in any of them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

Tone = Literal["good", "bad", "warning", "neutral"]


@dataclass(frozen=True)
class Prose:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Notice:
    """A sentence that must not be overlooked; ``tone`` shows as a colour and as a word."""

    text: str
    tone: Tone = "neutral"


@dataclass(frozen=True)
class KeyFigure:
    """A figure in large type: what it is, its value with the unit, and what it rests on (n, interval)."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class KeyFigures:
    """The few figures that a reader looks for first."""

    figures: Sequence[KeyFigure]


@dataclass(frozen=True)
class Thumbnail:
    """A small picture in a table's cell; ``body`` is an encoded picture that browsers show."""

    body: bytes
    media_type: str
    alt: str


@dataclass(frozen=True)
class Marked:
    """A table's cell that stands out by colour and sign."""

    text: str
    tone: Tone


Cell = str | Marked | Thumbnail


@dataclass(frozen=True)
class Column:
    """A table's column; numbers stand at the right, with ``unit`` in the heading.

    A terminal, of 80 columns at least, leaves out what ``is_detail``.
    """

    heading: str
    unit: str = ""
    is_number: bool = False
    is_detail: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells that are text already, one for each column.

    Parameters
    ----------
    caption            what the rows are, and of how many items
    highlighted_rows   row numbers in bold, e.g. the chosen variant's
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    highlighted_rows: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Raise ValueError where a row has another number of cells than there are columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"A row has {len(row)} cells, the table has {len(self.columns)} columns: {row}")


@dataclass(frozen=True)
class Figure:
    """A plot in both colour schemes; see `drawing.draw`.

    Parameters
    ----------
    light, dark   SVG documents of the same drawing
    alt           what the plot shows, for those who do not see it
    caption       below the plot
    width_px, height_px   natural size, at which its text has the page's size
    """

    light: bytes
    dark: bytes
    alt: str
    caption: str
    width_px: int
    height_px: int


Block = Prose | Notice | KeyFigures | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; figures that follow one another stand side by side where there is room.

    ``is_folded`` shows the heading only, until it is clicked.
    """

    heading: str
    blocks: Sequence[Block]
    is_folded: bool = False


@dataclass(frozen=True)
class Page:
    """A whole report; ``subtitle`` says of what, made from what."""

    title: str
    subtitle: str = ""
    sections: Sequence[Section] = field(default_factory=tuple)


def render_page(page: Page) -> str:
    """Return the page as HTML; the same page gives the same text."""
    environment = Environment(
        loader=PackageLoader("lambent_toolkit.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["grouped"] = _grouped
    environment.tests["numeric"] = lambda column: column.is_number
    style = files("lambent_toolkit.reporting").joinpath("page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.jinja").render(
        page=page,
        style=Markup(style),  # noqa: S704 - our own file; in a <style> element nothing is escaped
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'",
        kind=lambda block: type(block).__name__,
    )


def _grouped(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return the blocks in order, neighbouring figures together in one group."""
    groups: list[list[Block]] = []
    for block in blocks:
        if groups and isinstance(block, Figure) and isinstance(groups[-1][0], Figure):
            groups[-1].append(block)
        else:
            groups.append([block])
    return groups


def _data_uri(body: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(body).decode('ascii')}"


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
