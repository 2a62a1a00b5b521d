"""Raw bytes of tensors, little-endian and row-major (Open Inference Protocol v2, Binary Tensor Data Extension)."""

from __future__ import annotations

from math import prod

import numpy as np

from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.errors import TensorDtypeMismatch, TensorShapeMismatch

_LENGTH_BYTES = 4


def array_from_bytes(body: memoryview, *, datatype: str, shape: tuple[int, ...], field: str) -> Array:
    """Return a read-only view of the bytes as an array of exactly ``shape``; nothing is copied.

    Parameters
    ----------
    datatype   one of DTYPE_BY_DATATYPE; BOOL is one byte an element, 0 or 1

    Raises
    ------
    TensorDtypeMismatch   not as many bytes as the shape needs, or a BOOL byte that is neither 0 nor 1
    """
    dtype = DTYPE_BY_DATATYPE[datatype]
    wanted = prod(shape) * dtype.itemsize
    if len(body) != wanted:
        raise TensorDtypeMismatch(
            f"{field} has {len(body)} bytes, but {datatype} of shape {list(shape)} takes {wanted}.",
            field=f"{field}.parameters.binary_data_size",
            limit=wanted,
            got=len(body),
        )
    if dtype.kind == "b":
        return _booleans(body, field=field).reshape(shape)
    return np.frombuffer(body, dtype.newbyteorder("<")).reshape(shape)


def _booleans(body: memoryview, *, field: str) -> Array:
    values = np.frombuffer(body, np.uint8)
    if values.max() > 1:
        raise TensorDtypeMismatch(
            f"{field} holds BOOL bytes other than 0 and 1.", field=field, limit=[0, 1], got=int(values.max())
        )
    return values.view(np.bool_)


def array_to_bytes(array: Array) -> bytes:
    """Return the elements, little-endian and row-major."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def byte_strings(body: memoryview, *, count: int, field: str) -> list[bytes]:
    """Return the elements of a BYTES tensor: each a little-endian uint32 length and that many bytes.

    Raises
    ------
    TensorShapeMismatch   not ``count`` elements, or the last one is cut off
    """
    strings: list[bytes] = []
    start = 0
    while start < len(body) and len(strings) <= count:  # one more tells that there are too many
        end = start + _LENGTH_BYTES + int.from_bytes(body[start : start + _LENGTH_BYTES], "little")
        if start + _LENGTH_BYTES > len(body) or end > len(body):
            raise TensorShapeMismatch(
                f"Element {len(strings)} of {field} is cut off: its length is beyond the tensor's bytes.", field=field
            )
        strings.append(bytes(body[start + _LENGTH_BYTES : end]))
        start = end
    if len(strings) != count:
        found = len(strings) if len(strings) < count else "more"
        raise TensorShapeMismatch(
            f"{field} declares {count} elements, but its bytes hold {found}.",
            field=field,
            limit=count,
            got=found,
        )
    return strings


def join_byte_strings(strings: list[bytes]) -> bytes:
    """Return the bytes of a BYTES tensor."""
    return b"".join(len(each).to_bytes(_LENGTH_BYTES, "little") + each for each in strings)
