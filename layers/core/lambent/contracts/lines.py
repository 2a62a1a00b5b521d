"""JSON Lines (https://jsonlines.org): results, errors and shards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from lambent.contracts.jobs import ShardItem

CONTENT_TYPE = "application/x-ndjson"
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


def encode_lines(lines: Iterable[Any]) -> bytes:
    """Return one JSON value a line, each line ended; NumPy's arrays as lists."""
    return b"".join(orjson.dumps(line, option=_OPTIONS) for line in lines)


def error_line(item: ShardItem, error: dict[str, Any]) -> dict[str, Any]:
    """Return the line of an item that has no result: its id, its manifest line and the error's fields."""
    return {"id": item.id, "line": item.line, **error}


def decode_lines(body: bytes) -> list[dict[str, Any]]:
    """Return the objects of a body that `encode_lines` wrote."""
    return [orjson.loads(line) for line in body.splitlines()]
