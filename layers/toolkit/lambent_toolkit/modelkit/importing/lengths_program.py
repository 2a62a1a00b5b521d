"""Find the smallest inputs that a model answers, where only a layer's packages are: started by path.

Argument: a folder with ``model.tflite`` and ``contract.json``. Writes ``figures.json`` with ``min_shapes``, the
smallest shape by input, for all inputs that have a dimension whose size callers choose; null where no length is
answered, with what became of the last one that was tried, ``end``; or with ``{"refused": {"code", "detail"}}`` if the
file is refused.

Each length is tried in a child process of its own, since too short a one ends the process (LiteRT's convolutions) or is
answered with what happened to lie in the memory (its mean of nothing). It may import `lambent`, NumPy and the standard
library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from ctypes import CDLL
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.adapters.sacrificial_child import ForkedComputing
from lambent.contracts.model import ModelContract, TensorSpec, TextPreprocessing
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.lengths import FreeDimension, free_dimensions, rows_dimensions
from lambent.domain.model import CONTRACT_FILE, TFLITE_FILE
from lambent.errors import InvalidInput, LambentError, ProcessingCrashed
from lambent.services.version_files import decode_contract

Sizes = Mapping[FreeDimension, int]
Answers = Callable[[dict[str, Array]], bool]

# All lengths up to this one are tried in their order; the longer ones by doubling and halving.
ALL_UP_TO = 16
# Of golden vectors: long enough for a window or two of most networks.
FREE_LENGTH = 16
# No request holds more than an upload.
_MOST_BYTES = 20_000_000
_MOST_LENGTH = 1 << 16
_SEED = 7
_LIMIT_S = 60.0
_MEMORY_BYTES = 6 << 30
# mallopt(3): what malloc hands out is filled with the complement of this byte, and not with what lay there.
_M_PERTURB = -6
_FILLINGS = (0x55, 0xAA)
_SAME = b"same"
NOT_BY_INPUTS = "it answers what lay in the memory, or no finite numbers"


def min_shapes(contract: ModelContract, answers: Answers) -> dict[str, tuple[int, ...]] | None:
    """Return the smallest shape of each input with free dimensions that a model answers; None if it answers no length.

    First all free dimensions have one length, as the tensors of a text have. Where there are several, each is then
    looked for by itself, beside others of a length that is answered. If those together are not answered, the one length
    stands for all.

    Parameters
    ----------
    contract
    answers    whether the model answers these inputs: returns its own answer, to finite numbers
    """
    free = free_dimensions(contract)

    def is_answered(sizes: Sizes) -> bool:
        return answers(inputs_of(contract, sizes))

    shortest = _shortest(contract, free, lambda length: is_answered(dict.fromkeys(free, length)))
    if shortest is None:
        return None
    sizes = dict.fromkeys(free, shortest)
    if len(free) > 1 and shortest > 1:
        longer = dict.fromkeys(free, multiple_of(shortest))
        alone = {
            each: next((size for size in range(1, shortest) if is_answered({**longer, each: size})), shortest)
            for each in free
        }
        sizes = alone if is_answered(alone) else sizes
    return {
        spec.name: _shape(spec, sizes, rows=rows_dimensions(contract))
        for spec in contract.inputs
        if any(each.name == spec.name for each in free)
    }


def multiple_of(length: int) -> int:
    """Return the first multiple of a length from `FREE_LENGTH` on: networks that halve or reshape take no others."""
    return length * ceil(FREE_LENGTH / length)


def inputs_of(contract: ModelContract, sizes: Sizes) -> dict[str, Array]:
    """Return one row of seeded noise; whole numbers are 0 and 1, which every vocabulary has."""
    random, rows = np.random.default_rng(_SEED), rows_dimensions(contract)
    inputs = {}
    for spec in contract.inputs:
        shape, dtype = _shape(spec, sizes, rows=rows), DTYPE_BY_DATATYPE[spec.datatype]
        numbers = random.integers(0, 2, shape) if dtype.kind in "iub" else random.standard_normal(shape)
        inputs[spec.name] = np.asarray(numbers, dtype)
    return inputs


def _shortest(contract: ModelContract, free: list[FreeDimension], is_answered: Callable[[int], bool]) -> int | None:
    """Return the shortest length that is answered, None without one up to the longest that a request can hold."""
    longest = _longest(contract, free)
    for length in range(1, min(ALL_UP_TO, longest) + 1):
        if is_answered(length):
            return length
    short = ALL_UP_TO
    for long in _doubled(short, longest):
        if is_answered(long):
            return _between(short, long, is_answered)
        short = long
    return None


def _between(short: int, long: int, is_answered: Callable[[int], bool]) -> int:
    """Return a length that is answered and whose predecessor is not, between one that is not and one that is."""
    while long - short > 1:
        middle = (short + long) // 2
        if is_answered(middle):
            long = middle
        else:
            short = middle
    return long


def _doubled(short: int, longest: int) -> Iterator[int]:
    while short < longest:
        short = min(2 * short, longest)
        yield short


def _longest(contract: ModelContract, free: list[FreeDimension]) -> int:
    spec = contract.preprocessing
    if isinstance(spec, TextPreprocessing):
        return spec.max_tokens
    length, rows = 1, rows_dimensions(contract)
    while length < _MOST_LENGTH and _bytes(contract, dict.fromkeys(free, 2 * length), rows) <= _MOST_BYTES:
        length *= 2
    return length


def _bytes(contract: ModelContract, sizes: Sizes, rows: int) -> int:
    shapes = [(DTYPE_BY_DATATYPE[spec.datatype], _shape(spec, sizes, rows=rows)) for spec in contract.inputs]
    return sum(dtype.itemsize * prod(shape) for dtype, shape in shapes)


def _shape(spec: TensorSpec, sizes: Sizes, *, rows: int) -> tuple[int, ...]:
    """Return the shape of one row; a first dimension that is free and no number of rows is one of those looked for."""
    return tuple(
        1 if axis < rows else size if size != -1 else sizes[FreeDimension(spec.name, axis)]
        for axis, size in enumerate(spec.shape)
    )


class LiteTrial:
    """Whether a .tflite file answers inputs. ``end`` is what became of the last ones that it did not."""

    def __init__(self, model: Path, contract: ModelContract) -> None:
        self._model = model
        self._contract = contract
        self._computing = ForkedComputing(limit_s=lambda: _LIMIT_S, memory_bytes=_MEMORY_BYTES)
        self.end = ""

    def __call__(self, inputs: dict[str, Array]) -> bool:
        """Return whether a child process survives and answers them, and by them alone."""
        try:
            told = self._computing.run(lambda: self._answer(inputs))
        except InvalidInput as error:
            is_crash = isinstance(error, ProcessingCrashed)
            self.end = f"the process {error.got}" if is_crash else error.detail.removesuffix(".")
            return False
        self.end = "" if told == _SAME else NOT_BY_INPUTS
        return told == _SAME

    def _answer(self, inputs: dict[str, Array]) -> bytes:
        first, second = (self._with_filled_memory(filling, inputs) for filling in _FILLINGS)
        is_same = all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)
        is_finite = all(np.isfinite(array).all() for array in first.values() if array.dtype.kind == "f")
        return _SAME if is_same and is_finite else b"other"

    def _with_filled_memory(self, filling: int, inputs: dict[str, Array]) -> dict[str, Array]:
        CDLL(None).mallopt(_M_PERTURB, filling)
        return LiteInterpreterLoader(threads=1).load(self._model, self._contract).run(inputs)


def main(folder: Path) -> None:
    """Look for the smallest shapes of the model in ``folder``."""
    try:
        contract = decode_contract((folder / CONTRACT_FILE).read_bytes())
        trial = LiteTrial(folder / TFLITE_FILE, contract)
        figures: dict[str, Any] = {"min_shapes": min_shapes(contract, trial), "end": trial.end}
    except LambentError as exc:
        figures = {"refused": {"code": exc.code, "detail": exc.detail}}
    (folder / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
