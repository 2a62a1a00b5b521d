"""A table's rows into items."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import msgspec

from lambent.contracts.csv_lines import BoundedLines, RowTooLong
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import ModelContract
from lambent.contracts.tables import MAX_ROW_CHARACTERS
from lambent.domain.table_layout import TableLayout, layout_of
from lambent.errors import ManifestInvalid
from lambent.ports import Isolation
from lambent.services.gather_items import MAX_ITEMS, gather_items, too_many_items
from lambent.services.input_address import InputAddresses

_MOST_LINES = 2 * MAX_ITEMS


class TableReader:
    """Reads the tables of batches of one tenant for one model; ``key`` is the table's own."""

    def __init__(self, contract: ModelContract, addresses: InputAddresses, *, key: str, id_column: str | None) -> None:
        self._contract = contract
        self._addresses = addresses
        self._key = key
        self._id_column = id_column

    def csv(self, file: BinaryIO) -> Iterator[ShardItem]:
        """Yield an item a row of a CSV (RFC 4180, UTF-8); cells are data, whatever a spreadsheet would make of them.

        Raises
        ------
        ManifestInvalid   not CSV, other columns than the model needs, or bad rows: up to 20 of them in ``errors``
        """
        with _as_text(file) as text:
            records = _records(text)
            header = next(records, [])
            layout = layout_of(header, self._contract, id_column=self._id_column)
            make_item = self._maker(layout)

            def make(number: int, cells: list[str]) -> ShardItem:
                if len(cells) != len(header):
                    raise ManifestInvalid(
                        "The row must have as many cells as the header.", field="row", limit=len(header), got=len(cells)
                    )
                return make_item(number, layout.of_cells(dict(zip(header, cells, strict=True))))

            yield from gather_items(enumerate(records, start=1), make, unit="row", what="table")

    def parquet(self, isolation: Isolation, file: BinaryIO) -> Iterator[ShardItem]:
        """Yield an item a row of a Parquet table; columns that no item needs may be of any type.

        Raises
        ------
        ManifestInvalid   not Parquet, other columns than the model needs, or bad rows: up to 20 of them in ``errors``
        """
        # Arrow's library is large, and a child process must not import it: see `ports.Isolation`.
        from lambent.contracts.parquet_rows import TableColumn, copy_rows, describe_table

        table = Path(f"/proc/self/fd/{file.fileno()}")
        with _written(isolation, lambda out: describe_table(table, out)) as described:
            columns = msgspec.json.decode(described.read(), type=list[TableColumn])
        layout = layout_of([column.name for column in columns], self._contract, id_column=self._id_column)
        layout.check_kinds({column.name: column.kind for column in columns})
        used = [column for name in layout.used for column in columns if column.name == name]
        make_item = self._maker(layout)

        def make(number: int, line: bytes) -> ShardItem:
            return make_item(number, dict(zip(layout.used, msgspec.json.decode(line), strict=True)))

        with _written(isolation, lambda out: copy_rows(table, used, out, most_rows=MAX_ITEMS)) as lines:
            yield from gather_items(enumerate(lines, start=1), make, unit="row", what="table")

    def _maker(self, layout: TableLayout) -> Callable[[int, dict[str, Any]], ShardItem]:
        """Return what makes an item of a row's number and values."""

        def make(number: int, row: dict[str, Any]) -> ShardItem:
            item_id = layout.id_of(number, row)
            if layout.content == "row":
                return ShardItem(id=item_id, line=number, row={name: row.get(name) for name in layout.columns})
            value = row.get(layout.columns[0]) or ""
            if layout.content == "text":
                return ShardItem(id=item_id, line=number, text=value)
            return ShardItem(id=item_id, line=number, key=self._addresses.item_key(value, manifest_key=self._key))

        return make


@contextmanager
def _written(isolation: Isolation, act: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """Lend what ``act`` writes elsewhere."""
    with cast("BinaryIO", TemporaryFile()) as out:
        isolation.run(lambda: act(out))
        out.seek(0)
        yield out


@contextmanager
def _as_text(file: BinaryIO) -> Iterator[TextIOWrapper]:
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield text
    finally:
        text.detach()  # or it would close the file, which is the caller's


def _records(text: TextIOWrapper) -> Iterator[list[str]]:
    """Yield the cells of rows that are not blank."""
    lines = BoundedLines(text, most_characters=MAX_ROW_CHARACTERS)
    reader = csv.reader(lines, strict=True)
    try:
        for cells in reader:
            lines.begin_row()
            if cells:
                yield cells
            elif reader.line_num > _MOST_LINES:
                raise too_many_items("table")
    except UnicodeDecodeError as exc:
        raise _no_csv(f"it is not UTF-8 after line {reader.line_num}", reader.line_num + 1) from exc
    except (RowTooLong, csv.Error) as exc:
        raise _no_csv(f"{exc}; quote cells that hold commas or quotes", reader.line_num) from exc


def _no_csv(reason: str, line: int) -> ManifestInvalid:
    return ManifestInvalid(f"The table is not CSV at line {line}: {reason}.", field=f"line {line}")
