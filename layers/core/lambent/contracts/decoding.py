"""JSON bytes into typed contracts, with errors that name the field."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from lambent.errors import JsonInvalid, JsonTooComplex, RequestInvalid

T = TypeVar("T")
_QUOTE = 120


def decode_json(body: bytes | str, type_: type[T], *, what: str) -> T:
    """Decode JSON into ``type_``.

    Parameters
    ----------
    body : bytes or str     UTF-8 JSON
    type_                   a msgspec Struct or any type msgspec understands
    what : str              what the caller sent, for the message: "request body", "manifest line 3"

    Raises
    ------
    JsonInvalid       not JSON
    RequestInvalid    JSON of another form; ``field`` is its path
    """
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as exc:
        raise _schema_error(exc, what) from exc
    except RecursionError as exc:
        raise JsonTooComplex(f"The {what} is nested too deeply; no request needs that.") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise JsonInvalid(f"The {what} is not valid JSON: {_reason(exc)}. Send one UTF-8 JSON value.") from exc


def _schema_error(exc: msgspec.ValidationError, what: str) -> RequestInvalid:
    # msgspec appends the path as " - at `$.a[0].b`"; it has no attribute for it.
    reason, _, path = str(exc).partition(" - at `")
    field = printable(path.rstrip("`").removeprefix("$").removeprefix(".")) or None
    where = f" at {field}" if field else ""
    return RequestInvalid(f"The {what} does not match its schema{where}: {printable(reason)}.", field=field)


def printable(text: str) -> str:
    """Return at most 120 characters of a text that may quote the request, without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text[:_QUOTE])


def _reason(exc: Exception) -> str:
    if isinstance(exc, UnicodeDecodeError):
        return f"invalid UTF-8 at byte {exc.start}"
    return str(exc).removeprefix("JSON is malformed: ")
