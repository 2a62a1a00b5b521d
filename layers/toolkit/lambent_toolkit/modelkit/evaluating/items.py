"""Items as a person looks at them: a small picture, the beginning of a text, a row's columns."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import msgspec

from lambent.contracts.model import ImagePreprocessing, ModelContract, TabularPreprocessing, TextPreprocessing
from lambent_toolkit.reporting.page import Cell, Thumbnail

_SIDE_PX = 72
_MOST_CHARACTERS = 160
ShowItem = Callable[[int], Cell]


def item_shower(items: list[bytes], contract: ModelContract) -> ShowItem:
    """Return what shows the item of a number in a table's cell, as the contract's preprocessing takes it."""
    spec = contract.preprocessing

    def show(number: int) -> Cell:
        if isinstance(spec, ImagePreprocessing):
            return thumbnail(items[number], alt=f"item {number}")
        if isinstance(spec, TextPreprocessing):
            return excerpt(items[number].decode("utf-8", "replace"))
        if isinstance(spec, TabularPreprocessing):
            return excerpt(row_text(items[number]))
        return f"item {number}"

    return show


def thumbnail(picture: bytes, *, alt: str) -> Thumbnail:
    """Return a picture small enough for a table, encoded anew, so that nothing but its pixels gets into the page."""
    from PIL import Image

    with Image.open(BytesIO(picture)) as opened:
        opened.draft("RGB", (_SIDE_PX * 2, _SIDE_PX * 2))  # lets libjpeg skip what a thumbnail does not need
        small = opened.convert("RGBA" if opened.mode in {"RGBA", "LA", "P", "PA"} else "RGB")
        small.thumbnail((_SIDE_PX, _SIDE_PX))
        body = BytesIO()
        small.save(body, "PNG", optimize=True)
    return Thumbnail(body.getvalue(), "image/png", alt)


def excerpt(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + "…"


def row_text(item: bytes) -> str:
    """Return a table row as ``column value, …``."""
    row = msgspec.json.decode(item)
    return ", ".join(f"{name} {value}" for name, value in row.items()) if isinstance(row, dict) else str(row)
