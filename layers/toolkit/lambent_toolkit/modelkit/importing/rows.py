"""A model that was converted for a fixed batch: whether it answers several rows, and how, proven on noise.

Most public .tflite files take one row a call. The interpreter can resize their inputs, which is right for most graphs
and silently wrong where the batch is written into the graph. So rows are answered both ways where they will be served.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from lambent.contracts.model import ModelContract, RawOutputs, TensorPreprocessing, TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ForeignModelRefused, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.importing.golden_items import tflite_golden
from lambent_toolkit.modelkit.importing.lengths_program import FREE_LENGTH
from lambent_toolkit.modelkit.importing.signature import Quantized, Signature

Tensors = dict[str, Array]
Shapes = list[tuple[int, ...]]
_SEED = 11
# Rows of different size, so that a row that leaks into another shows.
_SIZES = (1.0, 0.1, 10.0)
_ROUNDING = 1e-4  # of a row's largest number: kernels for one row and for several add up in another order
_STEPS = 1.5  # of a quantized output
_PICTURE_RANK = 4
_BRIGHTEST = 255


def in_rows(found: Signature, model: bytes, *, is_item_allowed: bool = True) -> Signature:
    """Return a signature with a free batch in place of a fixed one, and with what a call of the file takes.

    Parameters
    ----------
    found             as it stands in the file, or in the SavedModel that the file was made of
    model             bytes of the .tflite file
    is_item_allowed   whether a tensor may also be that of one item, without a dimension for rows

    Returns
    -------
    the same if its batch is free, or if no rows can be told apart; else

    - ``rows_per_call`` None: resized, the file answers several rows as it answers each alone
    - ``rows_per_call`` N: it is called with N rows at a time

    Raises
    ------
    ForeignModelRefused   the same row gets another answer the second time
    """
    size = _batch_size(found)
    if size is None:
        return found
    free = replace(found, inputs=_free(found.inputs, size), outputs=_free(found.outputs, size), stored=found)
    has_items = any(len(spec.shape) != len(own.shape) for spec, own in _beside(free, found))
    if has_items and not is_item_allowed:
        return found
    if size > 1:
        return _many_rows(free, size, model)
    return _one_row(free, model, has_items=has_items)


def _batch_size(found: Signature) -> int | None:
    """Return how many rows the file takes a call, 1 if it takes an item; None where its batch is free."""
    inputs: Shapes = [spec.shape for spec in found.inputs]
    leads = {shape[:1] for shape in (*inputs, *(spec.shape for spec in found.outputs))}
    if leads == {(-1,)}:
        return None
    if len(leads) == 1 and (lead := leads.pop()) and lead[0] > 1:
        return lead[0]
    # A free length is no batch: only beside a batch of one, or in front of other dimensions, can it be one.
    may_be_rows = all(shape[:1] in {(1,), (-1,)} and len(shape) > 1 for shape in inputs)
    is_free = any(shape[:1] == (-1,) for shape in inputs)
    return None if is_free and not may_be_rows else 1


def _free(specs: tuple[TensorSpec, ...], size: int) -> tuple[TensorSpec, ...]:
    """Return tensors with a free batch in place of their own, or in front where they have none."""
    shapes = [spec.shape[1:] if spec.shape[:1] in {(size,), (-1,)} else spec.shape for spec in specs]
    return tuple(msgspec.structs.replace(spec, shape=(-1, *shape)) for spec, shape in zip(specs, shapes, strict=True))


def _beside(free: Signature, found: Signature) -> list[tuple[TensorSpec, TensorSpec]]:
    return list(zip((*free.inputs, *free.outputs), (*found.inputs, *found.outputs), strict=True))


def _one_row(free: Signature, model: bytes, *, has_items: bool) -> Signature:
    one, found = replace(free, rows_per_call=1), free.stored or free
    rows = _noise(free, [0, 1, 2, 0])
    try:
        alone, step = _answers(one, rows, model)
    except (ServingRefused, ServingCheckFailed):
        # Such noise is not for it, or a row is not answered with a row, which is certain of a fixed output only.
        is_certain = all(spec.shape[:1] != (-1,) for spec in found.outputs)
        return one if is_certain else found
    if not all(_same(array[:1], array[3:], step) for array in alone.values()):
        raise ForeignModelRefused(
            "The model answers the same input otherwise the second time: it keeps something from call to call, or "
            "draws random numbers. Convert it for inference, without state and without random numbers."
        )
    if has_items or not _are_different(alone):
        return one
    try:
        together, step = _answers(free, rows, model)
    except (ServingRefused, ServingCheckFailed):
        return one
    return free if all(_same(alone[name], together[name], step) for name in alone) else one


def _many_rows(free: Signature, size: int, model: bytes) -> Signature:
    """Return the file called with so many rows, if each row is answered for itself wherever it stands."""
    batch, found = replace(free, rows_per_call=size), free.stored or free
    first = list(range(size))
    rows = _noise(free, [*first, *reversed(first), *[0] * size])
    try:
        answers, step = _answers(batch, rows, model)
    except (ServingRefused, ServingCheckFailed):
        return found
    is_row_wise = all(
        _same(array[:size], array[2 * size - 1 : size - 1 : -1], step)
        and _same(np.repeat(array[:1], size, axis=0), array[2 * size :], step)
        for array in answers.values()
    )
    return batch if is_row_wise and _are_different(answers) else found


def _answers(signature: Signature, tensors: Tensors, model: bytes) -> tuple[Tensors, float]:
    contract = ModelContract(
        name="rows",
        inputs=signature.inputs,
        outputs=signature.outputs,
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
        rows_per_call=signature.rows_per_call,
        signature=signature.name,
    )
    golden, step = tflite_golden(model, contract, GoldenVectors([], tensors, {}), {})
    return golden.outputs, step


def _noise(signature: Signature, rows: list[int]) -> Tensors:
    """Return inputs in which two rows are the same where their numbers are."""
    random = np.random.default_rng(_SEED)
    return {
        spec.name: _drawn(spec, signature.quantized.get(spec.name), max(rows) + 1, random)[rows]
        for spec in signature.inputs
    }


def _drawn(spec: TensorSpec, kept: Quantized | None, rows: int, random: np.random.Generator) -> Any:
    shape = (rows, *(FREE_LENGTH if dim == -1 else dim for dim in spec.shape[1:]))
    dtype = DTYPE_BY_DATATYPE[spec.datatype]
    if kept is not None:
        limits = np.iinfo(DTYPE_BY_DATATYPE[kept.datatype])
        numbers = _whole(shape, limits.min, limits.max, random)
        return ((numbers - kept.zero_point) * kept.scale).astype(dtype)
    if dtype.kind in "iub":
        # Whole numbers may be token ids or categories: 0 and 1 are in every vocabulary.
        is_picture = spec.datatype == "UINT8" and len(spec.shape) == _PICTURE_RANK
        return _whole(shape, 0, _BRIGHTEST if is_picture else 1, random).astype(dtype)
    sizes = np.resize(_SIZES, rows).reshape(-1, *[1] * (len(shape) - 1))
    return (random.standard_normal(shape) * sizes).astype(dtype)


def _whole(shape: tuple[int, ...], low: int, high: int, random: np.random.Generator) -> Any:
    """Return random rows, of which the last two are all low and all high, so that even a coarse answer differs."""
    numbers = random.integers(low, high, shape, endpoint=True)
    if len(numbers) > len(_SIZES) - 1:
        numbers[-2:] = np.array([low, high]).reshape(-1, *[1] * (len(shape) - 1))
    return numbers


def _are_different(answers: Tensors) -> bool:
    """Return whether rows can be told apart by their answers at all."""
    rows = range(len(next(iter(answers.values()))))
    return any(not np.array_equal(array[0], array[row]) for array in answers.values() for row in rows)


def _same(left: Array, right: Array, step: float) -> bool:
    """Return whether answers are the same but for rounding."""
    if left.shape != right.shape:
        return False
    if left.dtype.kind != "f":
        return bool(np.array_equal(left, right))
    one, other = left.astype(np.float64), right.astype(np.float64)
    largest = np.max(np.abs(one), axis=tuple(range(1, one.ndim)), keepdims=True, initial=0.0, where=np.isfinite(one))
    rounding = max(_ROUNDING, 8 * float(np.finfo(left.dtype).eps))
    return bool(np.isclose(other, one, rtol=0.0, atol=rounding * largest + _STEPS * step, equal_nan=True).all())
