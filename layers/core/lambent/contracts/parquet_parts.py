"""Results as Parquet: the fields of JSON lines as columns of fixed types, whatever the model answers.

Fields that a line lacks are null. What has no type of its own in all lines (``outputs``, ``limit``, ``got``,
``errors``) is JSON text, and so are in ``more`` the fields that have no column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from arro3.core import Schema

_TEXTS = ("id", "model", "label", "unit", "error", "code", "title", "detail", "field")
_JSON_TEXTS = ("outputs", "limit", "got", "errors")
_MORE = "more"


@cache
def _schema() -> Schema:
    """Return the columns in their order."""
    from arro3.core import DataType, Field, Schema

    text, number = DataType.utf8(), DataType.float64()
    score = DataType.struct([Field("label", text), Field("score", number)])
    types = {
        **dict.fromkeys(_TEXTS, text),
        **dict.fromkeys((*_JSON_TEXTS, _MORE), text),
        "line": DataType.int64(),
        "score": number,
        "top": DataType.list(Field("item", score)),
        "value": number,
        "retryable": DataType.bool(),
    }
    order = ("id", "line", "model", "label", "score", "top", "value", "unit", *_TEXTS[4:], *_JSON_TEXTS, "retryable")
    return Schema([Field(name, types[name]) for name in (*order, _MORE)])


def encode_parquet(lines: Sequence[dict[str, Any]]) -> bytes:
    """Return lines as a Parquet file; the same lines give the same bytes."""
    from arro3.io import read_json, write_parquet

    rows = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in map(_to_row, lines))
    file = BytesIO()
    write_parquet(read_json(BytesIO(rows), _schema()), file, compression="zstd(3)")
    return file.getvalue()


def decode_parquet(body: bytes) -> list[dict[str, Any]]:
    """Return the lines that `encode_parquet` made a file of, without the fields that are null."""
    from arro3.io import read_parquet, write_ndjson

    rows = BytesIO()
    write_ndjson(read_parquet(BytesIO(body)), rows)
    return list(_to_lines(rows.getvalue()))


def _to_row(line: dict[str, Any]) -> dict[str, Any]:
    names = _column_names()
    row = {name: value for name, value in line.items() if name in names}
    row |= {name: orjson.dumps(row[name]).decode() for name in _JSON_TEXTS if row.get(name) is not None}
    more = {name: value for name, value in line.items() if name not in names}
    return {**row, _MORE: orjson.dumps(more).decode()} if more else row


@cache
def _column_names() -> frozenset[str]:
    return frozenset(_schema().names) - {_MORE}


def _to_lines(rows: bytes) -> Iterator[dict[str, Any]]:
    for text in rows.splitlines():
        row: dict[str, Any] = orjson.loads(text)
        more = row.pop(_MORE, None)
        row |= {name: orjson.loads(row[name]) for name in _JSON_TEXTS if name in row}
        yield row if more is None else {**row, **orjson.loads(more)}
