"""JSON text of a tensor's data into an array, without nested Python lists where the text proves its own structure."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import msgspec

from lambent.contracts.decoding import decode_checked
from lambent.contracts.tensor import Array, array_from_json, array_from_numbers, check_count
from lambent.errors import RequestInvalid, TensorDtypeMismatch, TensorShapeMismatch

_FLOATS: msgspec.json.Decoder[list[float]] = msgspec.json.Decoder(list[float])
_INTEGERS: msgspec.json.Decoder[list[int]] = msgspec.json.Decoder(list[int])
_NESTED = re.compile(rb"\s*\[\s*\[")
_EMPTY = re.compile(rb"\[\s*\]")
_BRACKETS = b"[]"
_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b"[],"))


def array_from_json_text(data: bytes, *, datatype: str, shape: tuple[int, ...], field: str) -> Array:
    """Turn the JSON text of nested or flat numbers into an array of exactly ``shape``.

    The text of nested data without its values is a skeleton of brackets and commas, which ``shape`` alone determines.
    If the two are equal, the text without its inner brackets is the same data, flat. Whatever does not match (another
    regular nesting, a fraction among integers, a mistake) is decoded into lists and judged by `array_from_json`.

    Parameters
    ----------
    data : bytes   one valid JSON value, out of a text that `check_json` passed

    Raises
    ------
    RequestInvalid                             not a list
    TensorDtypeMismatch, TensorShapeMismatch   see `array_from_json`
    """
    if datatype != "BOOL":
        text = _without_nesting(data, shape)
        if text is not None:
            try:
                values: list[Any] = (_FLOATS if datatype in {"FP32", "FP64"} else _INTEGERS).decode(text)
            except msgspec.DecodeError:  # strings, null, fractions for integers: the exact way tells
                pass
            else:
                return array_from_numbers(values, datatype=datatype, shape=shape, field=field)
    return array_from_json(_decode_list(data, field=field), datatype=datatype, shape=shape, field=field)


def array_from_nested_text(data: bytes, *, datatype: str, field: str) -> Array:
    """Turn the JSON text of nested numbers into an array of the shape that their nesting has.

    Raises
    ------
    RequestInvalid                             not a list
    TensorDtypeMismatch, TensorShapeMismatch   see `array_from_json`; ragged or empty lists too
    """
    shape = _shape_of_text(data)
    if shape is None:
        return array_from_nested_lists(_decode_list(data, field=field), datatype=datatype, field=field)
    return array_from_json_text(data, datatype=datatype, shape=shape, field=field)


def array_from_nested_lists(values: list[Any], *, datatype: str, field: str) -> Array:
    """Turn nested lists of numbers into an array of the shape that their nesting has; raises as the text's twin does.

    Here, NaN and infinities are numbers of FP16, FP32 and FP64.
    """
    shape = _shape_of_lists(values)
    if 0 in shape:
        raise TensorShapeMismatch(f"{field} holds an empty list; a tensor has at least one element.", field=field)
    return array_from_json(values, datatype=datatype, shape=shape, field=field)


def _shape_of_lists(values: Any) -> tuple[int, ...]:
    """Return the shape that lists have if they all are like the first one of their level."""
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return tuple(shape)


def strings_from_json_text(data: bytes, *, shape: tuple[int, ...], field: str) -> list[str]:
    """Return the strings of a BYTES tensor, row-major; raises as `array_from_json_text` does."""
    values = _decode_list(data, field=field)
    while values and all(type(value) is list for value in values):
        values = [each for value in values for each in value]
    if not all(type(value) is str for value in values):
        raise TensorDtypeMismatch(
            f"{field} must hold strings only, as its datatype is BYTES.", field=field, limit="BYTES"
        )
    check_count(len(values), shape, field=field)
    return values


def _decode_list(data: bytes, *, field: str) -> list[Any]:
    values = decode_checked(data, object, what=field)
    if not isinstance(values, list):
        raise RequestInvalid(f"{field} must be a list, flat or nested.", field=field)
    return values


def _shape_of_text(data: bytes) -> tuple[int, ...] | None:
    """Read the shape off the first list of each level, None for an empty or unusual one.

    Innermost first: the text of a list of one level is what repeats, between commas, in the list around it.
    """
    text = data.translate(None, _ALL_BUT_STRUCTURE)
    rank = len(text) - len(text.lstrip(b"["))
    innermost = text.find(b"]") + 1
    if not rank or not innermost or b'"' in data or _EMPTY.search(data):
        return None
    shape = [innermost - rank]
    block = text[rank - 1 : innermost]
    for start in range(rank - 2, -1, -1):
        count, end = 1, start + 1 + len(block)
        while text.startswith(block, end + 1) and text[end : end + 1] == b",":
            count, end = count + 1, end + 1 + len(block)
        shape.append(count)
        block = text[start : end + 1]
    return tuple(reversed(shape))


def _without_nesting(data: bytes, shape: tuple[int, ...]) -> bytes | None:
    """Return the text of the same values as one flat list, or None if it is not nested as ``shape`` says."""
    if _NESTED.match(data) is None:
        return data
    # An element takes a character at least: the skeleton of a shape that the text cannot fill is never built.
    if prod(shape) > len(data) or data.translate(None, _ALL_BUT_STRUCTURE) != _skeleton(shape):
        return None
    return b"[%b]" % data.translate(None, _BRACKETS)


def _skeleton(shape: tuple[int, ...]) -> bytes:
    """Return brackets and commas of nested lists of this shape."""
    text = b""
    for dim in reversed(shape):
        text = b"[%b]" % b",".join([text] * dim)
    return text
