"""Named arrays as bytes between two processes of one function: no pickles, whose reader does what the writer says."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from lambent.contracts.tensor import Array

_Frame = tuple[str, tuple[int, ...], bytes]
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[str, _Frame])


def encode_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays of numbers, of any shape, as bytes."""
    frames = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}
    return _ENCODER.encode(frames)


def decode_arrays(body: bytes) -> dict[str, Array]:
    """Return what `encode_arrays` was given, as copies that may be written to.

    Raises
    ------
    ValueError   the bytes are not of `encode_arrays`, or name a type that is no number's
    """
    arrays = {}
    for name, (dtype, shape, content) in _DECODER.decode(body).items():
        array: Array = np.frombuffer(content, dtype=np.dtype(dtype)).reshape(shape).copy()
        arrays[name] = array
    return arrays
