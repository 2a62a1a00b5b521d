"""Items of a model that takes tensors: one row of each input, as bytes, so that data is one thing for all models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import msgspec
import numpy as np

from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent_toolkit.modelkit.errors import DataUnfit

_SHOWN = 8


def encode_item(row: Mapping[str, Array]) -> bytes:
    """Return one row's arrays, without batch dimension, as bytes: the same arrays give the same bytes.

    For each input by its name: the name as JSON, a line feed, and the array as in a .npy file.
    """
    buffer = BytesIO()
    for name in sorted(row):
        buffer.write(msgspec.json.encode(name) + b"\n")
        np.lib.format.write_array(buffer, np.asarray(row[name]), allow_pickle=False)
    return buffer.getvalue()


def decode_item(item: bytes) -> dict[str, Array]:
    """Return the arrays of an item that `encode_item` made."""
    buffer, row = BytesIO(item), {}
    while line := buffer.readline():
        row[msgspec.json.decode(line, type=str)] = np.lib.format.read_array(buffer, allow_pickle=False)
    return row


def stack_items(items: Sequence[bytes], contract: ModelContract) -> dict[str, Array]:
    """Return items as the contract's inputs, (n, …) each.

    Raises
    ------
    DataUnfit   other inputs than the contract's, other shapes, or numbers that an input's datatype does not hold
    """
    rows = [decode_item(item) for item in items]
    names = sorted(spec.name for spec in contract.inputs)
    for number, row in enumerate(rows, start=1):
        if sorted(row) != names:
            raise DataUnfit(
                f"Item {number} has the arrays {_told(sorted(row))}; {contract.name} takes {_told(names)}: name them "
                "as its inputs, and leave all others out but label, target and split."
            )
    return {spec.name: _stacked([row[spec.name] for row in rows], spec) for spec in contract.inputs}


def _stacked(arrays: list[Array], spec: TensorSpec) -> Array:
    wanted = spec.shape[1:]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        shown = ", ".join(str(list(shape)) for shape in sorted(shapes)[:_SHOWN])
        raise DataUnfit(
            f"Items have input {spec.name} in {len(shapes)} shapes ({shown}): items are measured together, pad them to "
            "one shape."
        )
    (shape,) = shapes
    batch = np.stack(arrays)
    if len(shape) == len(wanted) and all(want in (-1, have) for want, have in zip(wanted, shape, strict=True)):
        return _cast(batch, spec)
    # Tables have lists of one level. Other shapes of as many numbers are other orders of them: channels first, for one.
    is_flat = len(shape) == 1 or [side for side in shape if side != 1] == [side for side in wanted if side != 1]
    if -1 not in wanted and is_flat and batch[0].size == np.prod(wanted, dtype=np.int64):
        return _cast(batch.reshape(len(batch), *wanted), spec)
    turned = sorted(shape) == sorted(wanted) and " Its dimensions are in another order: transpose the arrays."
    raise DataUnfit(
        f"An item's {spec.name} has the shape {list(shape)}, the contract declares {list(wanted)} an item (-1 is "
        f"free).{turned or ''}"
    )


def _cast(batch: Array, spec: TensorSpec) -> Array:
    dtype = DTYPE_BY_DATATYPE[spec.datatype]
    if batch.dtype.kind not in "biuf":
        raise DataUnfit(f"Input {spec.name} holds {batch.dtype}, which is no kind of numbers.")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = batch.astype(dtype)
    # Rounding a fraction to the datatype's own is meant; a fraction or a number that is lost is not.
    lost = ~np.isfinite(cast) & np.isfinite(batch) if dtype.kind == "f" else cast != batch
    if lost.any():
        raise DataUnfit(f"Input {spec.name} is {spec.datatype}, which cannot hold {batch[lost].ravel()[0]}.")
    return cast


def _told(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "") or "none"
