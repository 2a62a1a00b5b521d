"""Items as a person looks at them: a small picture, the beginning of a text, a row's columns."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lambent.contracts.model import ImagePreprocessing, ModelContract, TabularPreprocessing, TextPreprocessing
from lambent_toolkit.modelkit.datasets.pictures import SMALL_TYPE, small_copy
from lambent_toolkit.reporting.page import Cell, Thumbnail

_MOST_CHARACTERS = 160
ShowItem = Callable[[int], Cell]


def item_shower(items: list[bytes], contract: ModelContract) -> ShowItem:
    """Return what shows the item of a number in a table's cell, as the contract's preprocessing takes it."""
    spec = contract.preprocessing

    def show(number: int) -> Cell:
        if isinstance(spec, ImagePreprocessing):
            # Encoded anew, so that nothing but its pixels gets into the page.
            return Thumbnail(small_copy(items[number], contract.limits), SMALL_TYPE, alt=f"item {number}")
        if isinstance(spec, TextPreprocessing):
            return excerpt(items[number].decode("utf-8", "replace"))
        if isinstance(spec, TabularPreprocessing):
            return excerpt(row_text(items[number]))
        return f"item {number}"

    return show


def excerpt(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + "…"


def row_text(item: bytes) -> str:
    """Return a table row as ``column value, …``."""
    row = msgspec.json.decode(item)
    return ", ".join(f"{name} {value}" for name, value in row.items()) if isinstance(row, dict) else str(row)
