"""Dimensions of inputs whose size callers choose, besides the number of rows: which, and how small they may be.

LiteRT accepts an input that is shorter than the model's convolution, and ends the process when it computes it; or it
answers with what happened to lie in the memory. So a contract says from which size on its files answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from lambent.contracts.model import ModelContract
from lambent.errors import TensorShapeMismatch

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array


class FreeDimension(NamedTuple):
    """The dimension ``axis`` of the input called ``name``."""

    name: str
    axis: int


def rows_dimensions(contract: ModelContract) -> int:
    """Return 1 where the first dimension of everything is that of the rows, else 0."""
    return int(all(spec.shape[:1] == (-1,) for spec in (*contract.inputs, *contract.outputs)))


def free_dimensions(contract: ModelContract) -> list[FreeDimension]:
    """Return the dimensions, besides that of the rows, whose size callers choose, in the contract's order."""
    start = rows_dimensions(contract)
    return [
        FreeDimension(spec.name, axis)
        for spec in contract.inputs
        for axis, size in enumerate(spec.shape)
        if size == -1 and axis >= start
    ]


def check_lengths(contract: ModelContract, inputs: Mapping[str, Array]) -> None:
    """Check that no input is smaller than the contract says that inputs must be; raises TensorShapeMismatch."""
    for spec in contract.inputs:
        if spec.min_shape is None:
            continue
        shape = inputs[spec.name].shape
        for axis, (got, least) in enumerate(zip(shape, spec.min_shape, strict=True)):
            if got < least:
                raise TensorShapeMismatch(
                    f"Dimension {axis} of input {spec.name} is {got}, and the model answers no inputs shorter than "
                    f"{least} there; make it longer, or pad it.",
                    field=f"inputs.{spec.name}.shape",
                    limit=least,
                    got=got,
                )
