"""JSON bytes into typed contracts, with errors that say where and why."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import orjson

from lambent.contracts.schema_errors import schema_error
from lambent.contracts.strict_json import check_json, json_invalid
from lambent.errors import JsonInvalid, RequestInvalid

T = TypeVar("T")
_LOCATED_BYTES = 1_000_000


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
    return decode_checked(check_json(body, what=what), type_, what=what)


def decode_checked(text: bytes, type_: type[T], *, what: str) -> T:
    """Decode what `check_json` has passed; raises as `decode_json` does."""
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.ValidationError as exc:
        _check_grammar(text, what=what)
        raise schema_error(exc, type_, what=what) from exc
    except RequestInvalid:
        _check_grammar(text, what=what)
        raise
    except msgspec.DecodeError as exc:
        raise _malformed(exc, text, what=what) from exc


def _check_grammar(text: bytes, *, what: str) -> None:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError as exc:
        raise _malformed(exc, text, what=what) from exc


def _malformed(exc: msgspec.DecodeError, text: bytes, *, what: str) -> JsonInvalid:
    """Return the error of a text that msgspec has refused.

    orjson tells the place more exactly, but builds objects up to there; of a large text msgspec's offset is enough.
    """
    if len(text) <= _LOCATED_BYTES:
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as located:
            return json_invalid(located.msg, line=located.lineno, column=located.colno, what=what)
    return JsonInvalid(f"The {what} is not valid JSON: {exc}. Send one JSON value, encoded as UTF-8.")
