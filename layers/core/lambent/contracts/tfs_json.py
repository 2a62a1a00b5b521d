"""JSON as TensorFlow Serving reads it: bare NaN and Infinity are numbers, ``{"b64": …}`` is bytes.

Values stay JSON text (`msgspec.Raw`) as long as nobody needs to look inside, so that a tensor of numbers goes from the
text straight into an array. A body that holds NaN or Infinity, which JSON does not know, is read into Python values.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pybase64

from lambent.contracts.decoding import decode_json
from lambent.errors import JsonInvalid, RequestInvalid, TensorDtypeMismatch

# What a value is made of: its JSON text, or what Python makes of it.
Value = Any
_B64 = "b64"
_BODY = "request body"
_KIND_BY_HEAD: dict[bytes, type] = {b"{": dict, b"[": list, b'"': str}
# A string that is never closed counts to the end, or each of its quotes would begin another search.
_STRING_OR_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|NaN|-?Infinity', re.DOTALL)
_FIRST = re.compile(rb"\[\s*(.)")


class TfsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Body of a POST; other fields are ignored, as TensorFlow Serving does."""

    signature_name: str | None = None
    instances: Value = msgspec.UNSET
    inputs: Value = msgspec.UNSET
    examples: Value = msgspec.UNSET
    context: Value = msgspec.UNSET


class _Texts(msgspec.Struct, frozen=True, kw_only=True):
    signature_name: str | None = None
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    inputs: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    examples: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    context: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def decode_body(body: bytes) -> TfsBody:
    """Decode a request's body; raises JsonInvalid, JsonTooComplex, RequestInvalid."""
    try:
        texts = decode_json(body, _Texts, what=_BODY)
    except JsonInvalid:
        finite = _STRING_OR_TOKEN.sub(_null_for_token, body)
        if finite == body:
            raise
        # All but the tokens must be the JSON that every other protocol takes.
        decode_json(finite, _Texts, what=_BODY)
        values = json.loads(body)
        return TfsBody(**{name: values[name] for name in TfsBody.__struct_fields__ if name in values})
    return TfsBody(**{name: getattr(texts, name) for name in TfsBody.__struct_fields__})


def _null_for_token(match: re.Match[bytes]) -> bytes:
    # A digit would make numbers of what is none: 1NaN, -NaN, NaN.5.
    return match[0] if match[0].startswith(b'"') else b"null"


def kind_of(value: Value) -> type:
    """Return dict, list or str for what these are in JSON, any other type for the rest."""
    if isinstance(value, msgspec.Raw):
        return _KIND_BY_HEAD.get(bytes(memoryview(value)[:1]), object)
    return type(value)


def kind_of_first(value: Value) -> type | None:
    """Return the kind of a list's first element without reading the rest, None for an empty list."""
    if isinstance(value, msgspec.Raw):
        first = _FIRST.match(memoryview(value))
        return None if first is None or first[1] == b"]" else _KIND_BY_HEAD.get(first[1], object)
    return kind_of(value[0]) if value else None


def elements_of(value: Value, *, field: str) -> list[Value]:
    """Return the elements of a list; raises RequestInvalid for anything else."""
    if kind_of(value) is not list:
        raise RequestInvalid(f"{field} must be a list.", field=field)
    return msgspec.json.decode(value, type=list[msgspec.Raw]) if isinstance(value, msgspec.Raw) else value


def fields_of(value: Value, *, field: str) -> dict[str, Value]:
    """Return the fields of an object; raises RequestInvalid for anything else."""
    if kind_of(value) is not dict:
        raise RequestInvalid(f"{field} must be an object.", field=field)
    return msgspec.json.decode(value, type=dict[str, msgspec.Raw]) if isinstance(value, msgspec.Raw) else value


def python_value(value: Value) -> Any:
    """Return a value as Python objects, ``{"b64": …}`` as it is."""
    return decode_json(bytes(value), object, what=_BODY) if isinstance(value, msgspec.Raw) else value


def is_bytes(value: Value) -> bool:
    """Return whether a value is ``{"b64": …}``, and nothing else beside it."""
    return kind_of(value) is dict and list(fields_of(value, field=_B64)) == [_B64]


def bytes_or_text(value: Value, *, field: str) -> bytes | str:
    """Return the bytes of ``{"b64": …}``, or a string.

    Raises
    ------
    TensorDtypeMismatch   neither, or not base64
    """
    text = python_value(value)
    if isinstance(text, str):
        return text
    encoded = text.get(_B64) if is_bytes(text) else None
    if not isinstance(encoded, str):
        raise TensorDtypeMismatch(f'{field} must be a string or {{"b64": "base64"}}.', field=field)
    try:
        # Padding is optional to TensorFlow Serving.
        decoded: bytes = pybase64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError as exc:
        raise TensorDtypeMismatch(f"{field} is marked as b64, but its string is not base64.", field=field) from exc
    return decoded
