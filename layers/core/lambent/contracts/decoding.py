"""JSON bytes into typed contracts, with errors that say where and why."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import orjson

from lambent.contracts.schema_errors import schema_error
from lambent.contracts.strict_json import check_json, json_invalid
from lambent.errors import JsonInvalid, RequestInvalid

T = TypeVar("T")


def decode_json(body: bytes | memoryview | str, type_: type[T], *, what: str) -> T:
    """Decode JSON into ``type_``.

    What is not JSON is reported before what does not fit the type, wherever the two stand in the body.

    Parameters
    ----------
    body          UTF-8 JSON
    type_         a msgspec Struct or any type msgspec understands
    what : str    what the caller sent, for the message: "request body", "manifest line 3"

    Raises
    ------
    JsonInvalid       not JSON, or JSON that decoders understand differently, see `strict_json`
    JsonTooComplex    too deep, too many values, or a number that is too long
    FieldNotAllowed   a field that a strict Struct does not have; ``field`` is its path
    RequestInvalid    JSON of another form; ``field`` is its path
    """
    text = check_json(body, what=what)
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.ValidationError as exc:
        check_grammar(text, what=what)
        raise schema_error(exc, type_, what=what) from exc
    except RequestInvalid:
        check_grammar(text, what=what)
        raise
    except msgspec.DecodeError as exc:
        raise malformed(text, what=what) from exc


def check_grammar(text: bytes, *, what: str) -> None:
    """Raise JsonInvalid if a text that `check_json` passed is not JSON."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError as exc:
        raise malformed(text, what=what) from exc


def malformed(text: bytes, *, what: str) -> JsonInvalid:
    """Return the error of a text that a decoder has refused as malformed."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        return json_invalid(exc.msg, line=exc.lineno, column=exc.colno, what=what)
    return json_invalid("it breaks the grammar of RFC 8259", line=1, column=1, what=what)
