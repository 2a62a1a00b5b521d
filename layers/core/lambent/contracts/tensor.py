"""Numbers to arrays and back: the one place for datatype names (Open Inference Protocol v2, Tensor Data)."""

from __future__ import annotations

from array import array as buffer
from itertools import chain
from math import prod
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent.errors import TensorDtypeMismatch, TensorShapeMismatch

Array = NDArray[Any]

DTYPE_BY_DATATYPE: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
DATATYPE_BY_DTYPE = {dtype: name for name, dtype in DTYPE_BY_DATATYPE.items()}
_JSON_KINDS = {str: "strings", bool: "booleans", type(None): "null", dict: "objects", list: "lists"}


def array_from_json(data: list[Any], *, datatype: str, shape: tuple[int, ...], field: str) -> Array:
    """Turn nested or flat row-major JSON numbers into an array of exactly ``shape``, or say what is wrong with them.

    Integers are never rounded on the way: INT64, UINT64 and FP64 get every bit.

    Parameters
    ----------
    data : list      decoded JSON, nested or flat
    datatype : str   Open Inference Protocol name, e.g. FP32; BOOL takes true, false, 1 and 0
    shape            declared shape, every dimension at least 1
    field : str      where the numbers stand in the request, for messages

    Raises
    ------
    TensorDtypeMismatch   unknown datatype, or a value that it cannot hold
    TensorShapeMismatch   ragged data, or its element count is not the product of ``shape``
    """
    dtype = dtype_of(datatype, field=field)
    values = _flatten(data, field=field)
    check_count(len(values), shape, field=field)
    kinds = set(map(type, values))
    allowed = {bool, int} if dtype.kind == "b" else {int, float}
    if not kinds <= allowed:
        found = ", ".join(sorted(_JSON_KINDS.get(kind, "numbers") for kind in kinds - allowed))
        takes = "true, false, 1 and 0" if dtype.kind == "b" else "numbers"
        raise TensorDtypeMismatch(
            f"{field} must hold {takes} only, as its datatype is {datatype}; it holds {found}.",
            field=field,
            limit=datatype,
        )
    cast = {"b": _booleans, "f": _reals}.get(dtype.kind, _integers)
    return cast(values, dtype, datatype=datatype, field=field).reshape(shape)


def array_from_numbers(values: list[int] | list[float], *, datatype: str, shape: tuple[int, ...], field: str) -> Array:
    """Turn flat numbers of the datatype's own kind into an array of exactly ``shape``; `array_from_json`, but fast.

    Parameters
    ----------
    values   only ``int`` for an integer datatype, only ``float`` for FP32 and FP64
    """
    dtype = dtype_of(datatype, field=field)
    check_count(len(values), shape, field=field)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            # Unpacking the list as arguments takes half the time of NumPy's own iteration over it.
            array = np.frombuffer(pack(f"{len(values)}d", *values)).astype(dtype, copy=False)
        if np.isfinite(array).all():
            return array.reshape(shape)
    else:
        try:
            # The standard library's typed buffers check the range of each value, NumPy does not.
            return np.frombuffer(buffer(dtype.char, values), dtype).reshape(shape)
        except OverflowError:
            pass
    return array_from_json(values, datatype=datatype, shape=shape, field=field)


def dtype_of(datatype: str, *, field: str) -> np.dtype[Any]:
    """Return the NumPy type of a datatype; raises TensorDtypeMismatch for an unknown one."""
    dtype = DTYPE_BY_DATATYPE.get(datatype)
    if dtype is None:
        raise TensorDtypeMismatch(
            f"Datatype of {field} is not known; use one of {', '.join(DTYPE_BY_DATATYPE)}.",
            field=field,
            limit=list(DTYPE_BY_DATATYPE),
        )
    return dtype


def check_count(count: int, shape: tuple[int, ...], *, field: str) -> None:
    """Raise TensorShapeMismatch unless ``shape`` holds ``count`` elements and no dimension is below 1."""
    if count != prod(shape) or any(dim < 1 for dim in shape):
        raise TensorShapeMismatch(
            f"{field} holds {count} elements, but its shape is {list(shape)} = {prod(shape)} elements. "
            "Send as many values as the shape says, row-major.",
            field=field,
            limit=prod(shape),
            got=count,
        )


def array_to_json(array: Array) -> Array:
    """Return the array flat and contiguous, as the JSON encoder writes it without a detour through lists."""
    return np.ascontiguousarray(array).reshape(-1)


def _flatten(data: list[Any], *, field: str) -> list[Any]:
    rows = data
    while rows and type(rows[0]) is list:
        if set(map(type, rows)) != {list} or len(set(map(len, rows))) != 1:
            raise TensorShapeMismatch(
                f"{field} is ragged: lists of one level must all have the same length.", field=field
            )
        rows = list(chain.from_iterable(rows))
    if list in map(type, rows):
        raise TensorShapeMismatch(f"{field} is ragged: numbers and lists must not stand side by side.", field=field)
    return rows


def _booleans(values: list[Any], dtype: np.dtype[Any], *, datatype: str, field: str) -> Array:
    if not set(values) <= {0, 1}:
        raise TensorDtypeMismatch(
            f"{field} holds values outside {datatype}: it takes true, false, 1 and 0.", field=field, limit=[0, 1]
        )
    return np.array(values, dtype)


def _integers(values: list[Any], dtype: np.dtype[Any], *, datatype: str, field: str) -> Array:
    if any(type(value) is float and not value.is_integer() for value in values):
        raise TensorDtypeMismatch(
            f"{field} holds fractions, but its datatype is {datatype}.", field=field, limit=datatype
        )
    integers = list(map(int, values))
    info = np.iinfo(dtype)
    low, high = min(integers), max(integers)
    if low < info.min or high > info.max:
        raise TensorDtypeMismatch(
            f"{field} holds values outside {datatype}, which takes {info.min} to {info.max}.",
            field=field,
            limit=[int(info.min), int(info.max)],
        )
    return np.array(integers, dtype)


def _reals(values: list[Any], dtype: np.dtype[Any], *, datatype: str, field: str) -> Array:
    try:
        reals = np.array(values, np.float64)
    except OverflowError:  # an integer beyond the largest double
        reals = np.array([np.inf])
        is_infinite = True
    else:
        with np.errstate(over="ignore"):
            array = reals.astype(dtype)
        is_infinite = bool((np.isinf(array) & np.isfinite(reals)).any())
    if is_infinite:
        largest = float(np.finfo(dtype).max)
        raise TensorDtypeMismatch(
            f"{field} holds values outside {datatype}, whose largest is {largest:.7g}.", field=field, limit=largest
        )
    return array
