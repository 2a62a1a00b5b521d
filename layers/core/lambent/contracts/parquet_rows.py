"""A Parquet table of anybody's into lines, for a process that such a table may end: see `ports.Isolation`.

The library panics on some broken files, and a few bytes of them can unpack to any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec
from arro3.core import DataType
from arro3.io import read_parquet

Kind = Literal["integer", "number", "text", "empty", "other"]


class TableColumn(msgspec.Struct, frozen=True):
    """A column's name, and what its values are. ``empty``: all are null. ``other``: nothing that items are made of."""

    name: str
    kind: Kind


def describe_table(table: Path, out: BinaryIO) -> None:
    """Write a table's columns as a JSON list; raises whatever the library does."""
    schema = read_parquet(table).schema
    columns = [TableColumn(name, _kind(type_)) for name, type_ in zip(schema.names, schema.types, strict=True)]
    out.write(msgspec.json.encode(columns))
    out.flush()


def copy_rows(table: Path, columns: Sequence[TableColumn], out: BinaryIO, *, most_rows: int) -> None:
    """Write rows as JSON lists of these columns' values, a line each; stop when there are more than ``most_rows``.

    A number that is not finite becomes text, so that its row is refused for it, except NaN: that is no value, as null.
    """
    encode, rows = msgspec.json.Encoder().encode, 0
    for batch in read_parquet(table):
        values = [_values(list(batch.column(column.name).to_pylist()), column.kind) for column in columns]
        out.writelines(encode(row) + b"\n" for row in zip(*values, strict=True))
        rows += batch.num_rows
        if rows > most_rows:
            break
    out.flush()


def _kind(type_: DataType) -> Kind:
    if DataType.is_dictionary(type_):
        type_ = type_.value_type or type_
    if DataType.is_integer(type_):
        return "integer"
    if DataType.is_floating(type_) or DataType.is_decimal(type_):
        return "number"
    if DataType.is_string(type_) or DataType.is_large_string(type_) or DataType.is_string_view(type_):
        return "text"
    return "empty" if DataType.is_null(type_) else "other"


def _values(values: list[Any], kind: Kind) -> list[Any]:
    return [_number(value) for value in values] if kind == "number" else values


def _number(value: Any) -> float | str | None:
    if value is None:
        return None
    number = float(value)  # decimals too
    return number if isfinite(number) or number != number else str(number)  # noqa: PLR0124 - NaN, which JSON has as null
