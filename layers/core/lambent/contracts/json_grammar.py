"""Texts that are not JSON: where and why."""

from __future__ import annotations

import msgspec
import orjson

from lambent.errors import JsonInvalid

_LOCATED_BYTES = 1_000_000


def check_grammar(text: bytes, *, what: str) -> None:
    """Raise JsonInvalid if a text is not JSON; nothing is built from it."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError as exc:
        raise malformed(exc, text, what=what) from exc


def malformed(exc: msgspec.DecodeError, text: bytes, *, what: str) -> JsonInvalid:
    """Return the error of a text that msgspec has refused.

    orjson tells the place more exactly, but builds objects up to there; of a large text msgspec's offset is enough.
    """
    if len(text) <= _LOCATED_BYTES:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as located:
            return json_invalid(located.msg, line=located.lineno, column=located.colno, what=what)
    return JsonInvalid(f"The {what} is not valid JSON: {exc}. Send one JSON value, encoded as UTF-8.")


def invalid_at(text: bytes, offset: int, reason: str, *, what: str) -> JsonInvalid:
    """Return the error that says where, in lines and characters from 1, and why a text is not accepted as JSON."""
    before = text[:offset]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    return json_invalid(reason, line=line, column=column, what=what)


def json_invalid(reason: str, *, line: int, column: int, what: str) -> JsonInvalid:
    """Return the error of a text that is not accepted as JSON."""
    where = f"line {line}, column {column}"
    return JsonInvalid(
        f"The {what} is not valid JSON at {where}: {reason}. Send one JSON value, encoded as UTF-8.", field=where
    )
