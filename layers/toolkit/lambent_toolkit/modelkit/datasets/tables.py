"""Tables as files: CSV (RFC 4180) and JSON Lines, row by row with the line each stands in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from math import isfinite
from typing import Any

from lambent.contracts.csv_lines import NUMBER, BoundedLines
from lambent.contracts.decoding import decode_json
from lambent.errors import InvalidInput
from lambent_toolkit.modelkit.datasets.candidates import Problem
from lambent_toolkit.modelkit.errors import SourceUnusable

# A table is held in memory, as the training that it is for holds its rows.
MAX_TABLE_BYTES = 1 << 30
_MAX_ROW_CHARACTERS = 1 << 20
_BOM = b"\xef\xbb\xbf"
# Of a column of numbers, at most this share of words is thought to be a mistake.
_FEW = 0.1
_OTHER_SEPARATORS = (";", "\t", "|")


@dataclass(frozen=True)
class Row:
    """A row and the number of the line that it ends in, from 1; an empty cell is None, a CSV's others are texts."""

    line: int
    cells: dict[str, Any]

    @property
    def where(self) -> str:
        """The line as problems name it."""
        return f"line {self.line}"


@dataclass(frozen=True)
class ParsedTable:
    """A table's columns in order, its rows, and the lines that are none."""

    columns: list[str]
    rows: list[Row]
    problems: list[Problem]


def parse_csv(body: bytes, *, separator: str, where: str) -> ParsedTable:
    """Parse CSV with a header.

    Parameters
    ----------
    body        UTF-8, with or without a byte order mark
    separator   one character
    where       the file, for messages

    Raises
    ------
    SourceUnusable   not UTF-8, a header that names no columns or one twice, or a quote that is never closed: from there
                     on, nobody knows what a row is
    """
    text = StringIO(_decoded(body, where=where), newline="")
    lines = BoundedLines(text, most_characters=_MAX_ROW_CHARACTERS)
    try:
        reader = csv.reader(lines, delimiter=separator, strict=True)
        columns = _header(next(reader, []), separator=separator, where=where)
        rows: list[Row] = []
        problems: list[Problem] = []
        for cells in reader:
            lines.begin_row()
            if len(cells) == len(columns):
                filled = (cell if cell.strip() else None for cell in cells)
                rows.append(Row(reader.line_num, dict(zip(columns, filled, strict=True))))
            elif cells:
                problems.append(_ragged(reader.line_num, len(cells), len(columns)))
    except csv.Error as exc:
        raise SourceUnusable(
            f"{where} is not CSV at line {reader.line_num}: {exc}. Quote cells that hold separators or quotes."
        ) from exc
    return ParsedTable(columns, rows, problems)


def parse_json_lines(body: bytes) -> ParsedTable:
    """Parse one JSON object a line; columns are all keys, in the order in which they first appear."""
    columns: dict[str, None] = {}
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, line in enumerate(BytesIO(body.removeprefix(_BOM)), start=1):
        if not line.strip():
            continue
        try:
            cells = decode_json(line.rstrip(b"\r\n"), dict[str, Any], what="row")
        except InvalidInput as error:
            problems.append(Problem(f"line {number}", error.code, error.detail))
            continue
        columns |= dict.fromkeys(cells)
        rows.append(Row(number, cells))
    return ParsedTable(list(columns), rows, problems)


def typed_columns(table: ParsedTable, columns: Sequence[str]) -> tuple[ParsedTable, list[str]]:
    """Turn the cells of a CSV's number columns into numbers; return the table and notes on doubtful columns.

    A column is of numbers if it has any and all other cells are empty, or words for what is no finite number (nan,
    inf). Rows with such words become problems.

    Parameters
    ----------
    columns   those that may be of numbers
    """
    notes: list[str] = []
    numeric: list[str] = []
    for column in columns:
        filled = [(row.line, row.cells[column].strip()) for row in table.rows if row.cells[column] is not None]
        words = [(line, cell) for line, cell in filled if not NUMBER.fullmatch(cell) and not _is_not_finite(cell)]
        if not words and any(NUMBER.fullmatch(cell) for _, cell in filled):
            numeric.append(column)
        elif words and len(words) < _FEW * len(filled):
            line, cell = words[0]
            notes.append(
                f"Column {column} has numbers in {len(filled) - len(words)} cells and words in {len(words)} (line "
                f"{line}: {cell[:40]!r}): all are taken as words. If that is not meant, empty those cells."
            )
    rows: list[Row] = []
    problems = list(table.problems)
    for row in table.rows:
        numbers = {name: float(cell.strip()) for name in numeric if (cell := row.cells[name]) is not None}
        bad = next((name for name, number in numbers.items() if not isfinite(number)), None)
        if bad is None:
            rows.append(Row(row.line, row.cells | numbers))
        else:
            problems.append(not_finite(row, bad, row.cells[bad]))
    return ParsedTable(table.columns, rows, problems), notes


def not_finite(row: Row, column: str, value: Any) -> Problem:
    """Return the problem of a number that no model can learn from."""
    return Problem(row.where, "not_finite", f"Column {column} holds {value!r}, which is no finite number.")


def check_columns(wanted: Sequence[str], columns: Sequence[str], *, where: str) -> None:
    """Raise SourceUnusable where a table lacks a column that was named."""
    for name in wanted:
        if name not in columns:
            known = ", ".join(columns[:20])
            raise SourceUnusable(f"{where} has no column {name!r}; it has: {known}.")


def _decoded(body: bytes, *, where: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = body.count(b"\n", 0, exc.start) + 1
        raise SourceUnusable(f"{where} is not UTF-8 at line {line}: save it as UTF-8.") from exc


def _header(cells: list[str], *, separator: str, where: str) -> list[str]:
    columns = [cell.strip() for cell in cells]
    if not columns or not all(columns):
        raise SourceUnusable(f"The first line of {where} must name all columns, it is {','.join(cells)[:80]!r}.")
    twice = next((name for place, name in enumerate(columns) if name in columns[:place]), None)
    if twice is not None:
        raise SourceUnusable(f"The first line of {where} names column {twice!r} twice.")
    other = next((each for each in _OTHER_SEPARATORS if each != separator and each in columns[0]), None)
    if len(columns) == 1 and other:
        raise SourceUnusable(
            f"{where} has one column {columns[0][:60]!r}: are cells separated by {other!r}? Then add "
            f"--separator {other!r}."
        )
    return columns


def _ragged(line: int, got: int, expected: int) -> Problem:
    return Problem(f"line {line}", "row_ragged", f"The row has {got} cells, the header {expected}.")


def _is_not_finite(cell: str) -> bool:
    return cell.lower().lstrip("+-") in {"nan", "inf", "infinity"}
