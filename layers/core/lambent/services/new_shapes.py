"""Models of free length: a shape that was never run in this process is run in one of its own first.

LiteRT accepts an input that is shorter than the model's convolution, and ends the process when it computes it.
Only dimensions that the contract leaves free are looked at, and not the number of rows: no kernel looks beyond its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy

import numpy as np

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.lengths import free_dimensions, rows_dimensions
from lambent.errors import ProcessingCrashed, TensorShapeMismatch
from lambent.ports import Interpreter

_Lengths = tuple[int, ...]
# Callers choose the lengths that are remembered: no more than this many.
_MOST_SHAPES = 10_000


class NewShapesApart:
    """An interpreter that has answered every shape it is given, in a process of its own or before.

    Parameters
    ----------
    interpreter   of this process
    apart         the same model, for calls that may end the process they run in
    contract
    known         inputs of which the model has survived each
    """

    def __init__(
        self,
        interpreter: Interpreter,
        apart: Interpreter,
        contract: ModelContract,
        *,
        known: Iterable[Mapping[str, Array]],
    ) -> None:
        self.platform = interpreter.platform
        self._interpreter = interpreter
        self._apart = apart
        self._contract = contract
        self._free = free_dimensions(contract)
        self._known = {self._lengths(inputs) for inputs in known}
        self._deadly: dict[_Lengths, TensorShapeMismatch] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter.

        Raises
        ------
        TensorShapeMismatch   the model does not survive inputs of these lengths, whatever they hold
        ProcessingCrashed     it does not survive what these hold
        """
        lengths = self._lengths(inputs)
        if lengths in self._known:
            return self._interpreter.run(inputs)
        if lengths in self._deadly:
            # A copy: an exception that is raised again and again would collect the traces of all calls.
            raise copy(self._deadly[lengths])
        try:
            outputs = self._apart.run(inputs)
        except ProcessingCrashed as crash:
            if self._survives(lengths):
                raise
            raise self._refusal(lengths, crash) from crash
        self._remember(lengths)
        return outputs

    def _lengths(self, inputs: Mapping[str, Array]) -> _Lengths:
        """Return the sizes of all free dimensions, in the contract's order."""
        return tuple(inputs[name].shape[axis] for name, axis in self._free)

    def _remember(self, lengths: _Lengths) -> None:
        if len(self._known) >= _MOST_SHAPES:
            self._known.clear()
        self._known.add(lengths)

    def _survives(self, lengths: _Lengths) -> bool:
        """Return whether the model survives one row of zeros of these lengths; remembers it if so."""
        try:
            self._apart.run(self._zeros(lengths))
        except ProcessingCrashed:
            return False
        self._remember(lengths)
        return True

    def _zeros(self, lengths: _Lengths) -> dict[str, Array]:
        sizes, rows = iter(lengths), rows_dimensions(self._contract)
        return {
            spec.name: np.zeros(
                [1] * rows + [next(sizes) if size == -1 else size for size in spec.shape[rows:]],
                DTYPE_BY_DATATYPE[spec.datatype],
            )
            for spec in self._contract.inputs
        }

    def _refusal(self, lengths: _Lengths, crash: ProcessingCrashed) -> TensorShapeMismatch:
        shortest = None if crash.limit is not None else self._shortest(lengths)
        told = (
            "of these lengths; send them longer or shorter"
            if shortest is None
            else f"shorter than {shortest}; make them longer, or pad them"
        )
        refusal = TensorShapeMismatch(
            f"The model does not survive inputs {told}: the process that tried {crash.got}.",
            field="inputs",
            limit=shortest,
            got=lengths[0] if len(set(lengths)) == 1 else list(lengths),
        )
        if len(self._deadly) >= _MOST_SHAPES:
            self._deadly.clear()
        self._deadly[lengths] = copy(refusal)
        return refusal

    def _shortest(self, lengths: _Lengths) -> int | None:
        """Return the shortest length that is survived, between one that is not and a known one; None without such two.

        Where several dimensions are free, all of them have the same length, as the inputs of a text have.
        """
        longer = [each[0] for each in self._known if len(set(each)) == 1 and each[0] > lengths[0]]
        if len(set(lengths)) != 1 or not longer:
            return None
        dies, lives = lengths[0], min(longer)
        while lives - dies > 1:
            middle = (dies + lives) // 2
            if self._survives((middle,) * len(lengths)):
                lives = middle
            else:
                dies = middle
        return lives
