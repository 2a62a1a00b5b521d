"""Arrays to wire tensors and back: the one place for datatype names (Open Inference Protocol v2, Tensor Data)."""

from __future__ import annotations

from math import prod
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
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
DATATYPE_BY_DTYPE = {dtype: name for name, dtype in DTYPE_BY_DATATYPE.items()}


def array_from_json(data: Any, *, datatype: str, shape: tuple[int, ...], field: str) -> Array:
    """Turn nested or flat row-major JSON numbers into an array of exactly ``shape``.

    Parameters
    ----------
    data             list, nested or flat
    datatype : str   Open Inference Protocol name, e.g. FP32
    shape            declared shape, every dimension at least 1
    field : str      where the tensor stands in the request, for messages

    Raises
    ------
    TensorDtypeMismatch   unknown datatype, or a value that is no such number
    TensorShapeMismatch   ragged data, or its element count is not the product of ``shape``
    """
    dtype = DTYPE_BY_DATATYPE.get(datatype)
    if dtype is None:
        raise TensorDtypeMismatch(
            f"Datatype of {field} is not known; use one of {', '.join(DTYPE_BY_DATATYPE)}.",
            field=f"{field}.datatype",
            limit=list(DTYPE_BY_DATATYPE),
        )
    loose = _loose_array(data, field=field)
    if loose.size != prod(shape) or any(dim < 1 for dim in shape):
        raise TensorShapeMismatch(
            f"{field} declares shape {list(shape)} = {prod(shape)} elements, but its data holds {loose.size}. "
            "Send as many numbers as the shape says, row-major.",
            field=f"{field}.data",
            limit=prod(shape),
            got=int(loose.size),
        )
    return _cast(loose, dtype, datatype=datatype, field=field).reshape(shape)


def array_to_json(array: Array) -> Array:
    """Return the array flat and contiguous, as the JSON encoder writes it without a detour through lists."""
    return np.ascontiguousarray(array).reshape(-1)


def _loose_array(data: Any, *, field: str) -> Array:
    try:
        loose = np.asarray(data)
    except (ValueError, OverflowError) as exc:
        raise TensorShapeMismatch(
            f"{field}.data is ragged: rows of one level must all have the same length.", field=f"{field}.data"
        ) from exc
    if loose.dtype == object or loose.dtype.kind not in "biuf":
        raise TensorDtypeMismatch(f"{field}.data must hold numbers only.", field=f"{field}.data")
    return loose


def _cast(loose: Array, dtype: np.dtype[Any], *, datatype: str, field: str) -> Array:
    if dtype.kind in "iu":
        if loose.dtype.kind == "f" and not (np.isfinite(loose).all() and np.array_equal(loose, np.rint(loose))):
            raise TensorDtypeMismatch(f"{field}.data holds fractions, but its datatype is {datatype}.", field=field)
        info = np.iinfo(dtype)
        # Compared as Python integers: 2**63 as a float equals the largest INT64 to NumPy.
        if loose.size and (int(loose.min()) < info.min or int(loose.max()) > info.max):
            raise TensorDtypeMismatch(
                f"{field}.data holds values outside {datatype}.", field=field, limit=[int(info.min), int(info.max)]
            )
    elif dtype.kind == "f" and loose.size and not _is_within(loose, float(np.finfo(dtype).max)):
        raise TensorDtypeMismatch(f"{field}.data holds values outside {datatype}.", field=field)
    return loose.astype(dtype, copy=False)


def _is_within(loose: Array, largest: float) -> bool:
    return bool(-largest <= float(loose.min()) and float(loose.max()) <= largest)
