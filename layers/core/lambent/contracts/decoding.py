"""JSON bytes into typed contracts, with errors that say where and why."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from lambent.contracts.json_grammar import check_grammar, malformed
from lambent.contracts.schema_errors import schema_error
from lambent.contracts.strict_json import check_json
from lambent.errors import RequestInvalid

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
    return decode_checked(check_json(body, what=what), type_, what=what)


def decode_checked(text: bytes, type_: type[T], *, what: str) -> T:
    """Decode what `check_json` has passed; raises as `decode_json` does."""
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.ValidationError as exc:
        check_grammar(text, what=what)
        raise schema_error(exc, type_, what=what) from exc
    except RequestInvalid:
        check_grammar(text, what=what)
        raise
    except msgspec.DecodeError as exc:
        raise malformed(exc, text, what=what) from exc
