"""A file whose batch is fixed and cannot be resized, behind the same port: called in turn, the answers put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from lambent.contracts.tensor import Array
from lambent.errors import ModelContractMismatch
from lambent.ports import Interpreter


class FileInterpreter(Interpreter, Protocol):
    """An interpreter of a .tflite file."""

    @property
    def output_steps(self) -> dict[str, float]:
        """The distance of two neighbouring values of each quantized output; 0 for an output of real numbers."""
        ...


class RowsInTurn:
    """Calls an interpreter with so many rows as its file takes. Not thread-safe, like the interpreter.

    Parameters
    ----------
    interpreter     of the file
    rows_per_call   what the file was made for; the last call of a batch is filled up with its last row
    without_batch   inputs and outputs that have no dimension for rows in the file, which then takes one item a call
    """

    def __init__(self, interpreter: FileInterpreter, *, rows_per_call: int, without_batch: frozenset[str]) -> None:
        self._interpreter = interpreter
        self._rows_per_call = rows_per_call
        self._without_batch = without_batch
        self.platform = interpreter.platform
        self.output_steps = interpreter.output_steps

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter."""
        count = len(next(iter(inputs.values())))
        answers = [self._call(inputs, start, count) for start in range(0, count, self._rows_per_call)]
        if len(answers) == 1:
            return answers[0]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

    def _call(self, inputs: Mapping[str, Array], start: int, count: int) -> dict[str, Array]:
        rows = min(self._rows_per_call, count - start)
        given = {name: self._part(name, array[start : start + rows]) for name, array in inputs.items()}
        return {name: self._rows(name, array)[:rows] for name, array in self._interpreter.run(given).items()}

    def _part(self, name: str, array: Array) -> Array:
        if name in self._without_batch:
            item: Array = array[0]
            return item
        missing = self._rows_per_call - len(array)
        return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array

    def _rows(self, name: str, array: Array) -> Array:
        answer: Array = array[np.newaxis] if name in self._without_batch else array
        if len(answer) != self._rows_per_call:
            raise ModelContractMismatch(
                f"Output {name} has {len(answer)} rows for {self._rows_per_call} of the input, so it cannot be told "
                "what belongs to which.",
                field=name,
                limit=self._rows_per_call,
                got=len(answer),
            )
        return answer
