"""CSV in and out (RFC 4180): a header with column names, then a row an item."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

from lambent.contracts.csv_lines import NUMBER, BoundedLines, RowTooLong
from lambent.contracts.model import Column, NumericColumn
from lambent.contracts.schema_errors import shown_name
from lambent.errors import ColumnInvalid, RequestInvalid, TextInvalid

ROWS = "rows"
MAX_ROW_CHARACTERS = 262_144
_MAX_LINES_PER_ROW = 2
_MAX_NUMBER_CHARACTERS = 400
_NAMED = 20
# A cell that begins so is a formula to a spreadsheet (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def read_rows(body: bytes, columns: Sequence[Column], *, max_rows: int) -> list[dict[str, Any]]:
    """Return the rows of a CSV body as the tabular preprocessing takes them: numbers as numbers, empty cells as None.

    Columns come in any order; which of them may be missing is the preprocessing's to say.

    Parameters
    ----------
    body       UTF-8, with or without a byte order mark; commas; cells quoted or not; lines end in CRLF or LF
    columns    the contract's
    max_rows   reading stops beyond

    Raises
    ------
    TextInvalid      not UTF-8
    ColumnInvalid    no header, an unknown or repeated column, a row that does not fit; ``field`` as ``rows[2].alcohol``
    RequestInvalid   no rows, or more than ``max_rows``
    """
    records = _records(body)
    header = _header(next(records, None), columns)
    numeric = {column.name for column in columns if isinstance(column, NumericColumn)}
    rows: list[dict[str, Any]] = []
    for line, cells in enumerate(records):
        # Empty lines are no rows, but a table of little else is refused as one of too few cells.
        if not cells and line < _MAX_LINES_PER_ROW * max_rows:
            continue
        if len(rows) == max_rows:
            raise RequestInvalid(
                f"A request may hold {max_rows} rows; split it or use the batch door.", field=ROWS, limit=max_rows
            )
        rows.append(_row(cells, header, numeric, place=f"{ROWS}[{len(rows)}]"))
    if not rows:
        raise RequestInvalid("The table has a header but no rows.", field=ROWS, got=0)
    return rows


def _row(cells: list[str], header: list[str], numeric: set[str], *, place: str) -> dict[str, Any]:
    if len(cells) != len(header):
        raise ColumnInvalid(
            "A row must have as many cells as the header.", field=place, limit=len(header), got=len(cells)
        )
    return {name: _value(cell, name in numeric, f"{place}.{name}") for name, cell in zip(header, cells, strict=True)}


def _records(body: bytes) -> Iterator[list[str]]:
    lines = BoundedLines(
        TextIOWrapper(BytesIO(body), encoding="utf-8-sig", newline=""), most_characters=MAX_ROW_CHARACTERS
    )
    reader = csv.reader(lines, strict=True)
    try:
        for cells in reader:
            lines.begin_row()
            yield cells
    except UnicodeDecodeError as exc:
        raise TextInvalid("The table is not UTF-8.", field="body") from exc
    except RowTooLong as exc:
        raise ColumnInvalid(f"The table cannot be read: {exc}", field=ROWS, limit=MAX_ROW_CHARACTERS) from exc
    except csv.Error as exc:
        raise ColumnInvalid(
            f"The table is not CSV at line {reader.line_num}: {exc}. Quote cells that hold commas or quotes.",
            field=f"line {reader.line_num}",
        ) from exc


def _header(cells: list[str] | None, columns: Sequence[Column]) -> list[str]:
    known = [column.name for column in columns]
    if not cells:
        raise ColumnInvalid("The table is empty; its first line names the columns.", field=ROWS, limit=known[:_NAMED])
    for place, name in enumerate(cells):
        if name not in known:
            raise ColumnInvalid(
                "The table's first line must name columns that the model knows.",
                field=f"header.{shown_name(name)}",
                limit=known[:_NAMED],
            )
        if name in cells[:place]:
            raise ColumnInvalid("The table's first line names a column twice.", field=f"header.{shown_name(name)}")
    return cells


def _value(cell: str, is_number: bool, field: str) -> float | str | None:
    if not cell.strip():
        return None
    if not is_number:
        return cell
    number = cell.strip()
    if len(number) > _MAX_NUMBER_CHARACTERS or NUMBER.fullmatch(number) is None:
        raise ColumnInvalid("The cell must hold a number, with a point for decimals, or nothing.", field=field)
    return float(number)


def write_rows(header: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> bytes:
    """Return a table as UTF-8 CSV with CRLF line ends.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers are written as they are.
    """
    buffer = StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([_safe(cell) for cell in header])
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode()


def _safe(cell: str | float | None) -> str | float | None:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell
