"""What a CSV's row may be and what in it is a number, the same for serving and for training."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import TextIO

NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)


class RowTooLong(csv.Error):
    """A row goes on and on, as it does behind a quote that is never closed."""

    def __init__(self, most_characters: int) -> None:
        super().__init__(f"a row has more than {most_characters} characters; is a quote not closed?")


class BoundedLines:
    """Hands out lines, at most ``most_characters`` for one row: a row's cells are all in memory at once.

    Raises
    ------
    RowTooLong   instead of a line that goes beyond
    """

    def __init__(self, text: TextIO, *, most_characters: int) -> None:
        self._text = text
        self._most = self._left = most_characters

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        self._left -= len(line)
        if self._left < 0:
            raise RowTooLong(self._most)
        return line

    def begin_row(self) -> None:
        """Count from here."""
        self._left = self._most
