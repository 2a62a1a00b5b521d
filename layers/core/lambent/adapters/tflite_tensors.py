"""A tensor of a .tflite file, held against the file before the interpreter sees it; see `tflite_limits`."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

from lambent.adapters import tflite_schema as schema
from lambent.adapters.flat_buffer import NOTHING, FlatBuffer, Malformed, Table, Vector

# Kernels keep shapes in arrays of this length.
MOST_DIMENSIONS = 8
# Sizes are 32-bit numbers in many kernels.
MOST_BYTES = 2**31 - 1
_MOST_VARIANTS = 1_000


class Tensor(NamedTuple):
    """Shape, type and where the bytes of a constant stand."""

    shape: tuple[int, ...]
    kind: int
    content: Vector


def below(number: int, count: int, what: str) -> None:
    """Refuse the number of something that is not there."""
    if not 0 <= number < count:
        raise Malformed(f"it names {what} that it does not have")


def read_tensor(file: FlatBuffer, tensor: Table, contents: list[Vector]) -> Tensor:
    """Return what a tensor's table says.

    Parameters
    ----------
    file
    tensor
    contents   where the bytes of each of the file's buffers stand

    Raises
    ------
    Malformed   it leads out of the file, is beyond a limit, or its bytes are not those of its shape and type
    """
    file.string(tensor, schema.TENSOR_NAME)
    shape = file.whole(file.vector(tensor, schema.SHAPE, 4), MOST_DIMENSIONS)
    free = file.whole(file.vector(tensor, schema.SHAPE_SIGNATURE, 4), MOST_DIMENSIONS)
    if min(shape, default=0) < 0 or min(free, default=0) < -1:
        raise Malformed(f"a tensor has the shape {list(shape)}")
    kind, number = file.number(tensor, schema.TYPE, 1), file.unsigned(tensor, schema.BUFFER, 4)
    below(number, max(len(contents), 1), "a buffer")
    content = contents[number] if number else NOTHING
    if (details := file.table(tensor, schema.QUANTIZATION)) is not None:
        _check_quantization(file, details)
    sparse = file.table(tensor, schema.SPARSITY)
    if sparse is not None:
        _check_sparsity(file, sparse)
    for variant in file.tables(tensor, schema.VARIANTS, _MOST_VARIANTS):
        file.whole(file.vector(variant, 0, 4), MOST_DIMENSIONS)
    found = Tensor(shape, kind, content)
    _check_size(file, found, is_sparse=sparse is not None)
    return found


def _check_size(file: FlatBuffer, tensor: Tensor, *, is_sparse: bool) -> None:
    start, count = tensor.content
    if tensor.kind == schema.TEXT:
        if count:
            _check_texts(file, tensor)
        return
    size = (prod(tensor.shape) * schema.BITS.get(tensor.kind, 8) + 7) // 8
    if size > MOST_BYTES:
        raise Malformed(f"a tensor of the shape {list(tensor.shape)} takes more than {MOST_BYTES} bytes")
    if count and not is_sparse and tensor.kind in schema.BITS and count != size:
        raise Malformed(f"a tensor of the shape {list(tensor.shape)} takes {size} bytes and has {count} at {start}")


def _check_texts(file: FlatBuffer, tensor: Tensor) -> None:
    """Hold a constant of texts to its bytes: how many there are, where each begins, and the texts."""
    start, size = tensor.content
    (count,) = file.whole((start, 1), 1) if size >= 4 else (-1,)  # noqa: PLR2004 - of a 32-bit number
    if not 0 <= count <= size // 4 - 2 or count != prod(tensor.shape):
        raise Malformed(f"a tensor of the shape {list(tensor.shape)} has {count} texts")
    ways = file.whole((start + 4, count + 1), count + 1)
    if ways[0] < 4 * (count + 2) or ways[-1] > size or any(low > high for low, high in pairwise(ways)):
        raise Malformed("texts lie outside of their tensor")


def _check_quantization(file: FlatBuffer, details: Table) -> None:
    file.check_fields(details, schema.QUANTIZATION_KINDS)
    kind = file.number(details, schema.QUANTIZATION_DETAILS_TYPE, 1)
    if (more := file.table(details, schema.QUANTIZATION_DETAILS)) is not None:
        file.check_fields(more, schema.DETAILS_KINDS.get(kind, ""))


def _check_sparsity(file: FlatBuffer, sparse: Table) -> None:
    file.check_fields(sparse, schema.SPARSITY_KINDS)
    for dimension in file.tables(sparse, schema.DIMENSIONS, 2 * MOST_DIMENSIONS):
        file.check_fields(dimension, schema.DIMENSION_KINDS)
        for kind, place in schema.SPARSE_PLACES:
            if (numbers := file.table(dimension, place)) is not None:
                file.check_fields(numbers, schema.SPARSE_KINDS.get(file.number(dimension, kind, 1), ""))
