"""A model tried on seeded samples, to tell from its answers what its graph does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from lambent.contracts.model import TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent_toolkit.modelkit.score_kinds import ScoreKind, score_kind

Tensors = Mapping[str, Array]
Run = Callable[[Tensors], Tensors | None]
Specs = tuple[TensorSpec, ...]
_SEED = 11
_ROWS = 8
_FREE_LENGTH = 16
_FREE_SIDE = 64
_PICTURE_RANK = 4
_FLOATS = ("FP16", "FP32", "FP64")


@dataclass(frozen=True)
class Tried:
    """What came of it.

    Parameters
    ----------
    kinds         output → what its numbers are; empty where the model gave no answer
    picture_gap   largest difference between the outputs for noise pictures of 0 to 255 and the same of 0 to 1; None
                  where the only input takes no pictures
    """

    kinds: Mapping[str, ScoreKind] = field(default_factory=dict)
    picture_gap: float | None = None


def try_model(inputs: Specs, outputs: Specs, run: Run, *, steps: Mapping[str, float] | None = None) -> Tried:
    """Run a model once and look at what it answers.

    Parameters
    ----------
    inputs, outputs
    run      returns the outputs by name; None if the model does not take the samples
    steps    output → distance of two neighbouring values, where it is quantized
    """
    if not all(spec.shape for spec in inputs):
        return Tried()
    halves = _are_pictures(inputs)
    answers = run(_samples(inputs, halves=halves))
    if answers is None:
        return Tried()
    known = {spec.name: answers[spec.name] for spec in outputs if spec.datatype in _FLOATS}
    whole = {name: array for name, array in known.items() if array.size and array.ndim}
    # Pixels of 0 to 255 drive the logarithm of a softmax, for one, to infinity: the other rows still tell what it is.
    finite = {name: rows[np.isfinite(rows).all(axis=1)] for name, rows in _by_row(whole)}
    kinds = {
        name: score_kind(rows, output_step=(steps or {}).get(name, 0.0)) for name, rows in finite.items() if len(rows)
    }
    gaps = [_gap(rows) for rows in finite.values() if len(rows) == _ROWS]
    return Tried(kinds, max(gaps) if halves and gaps else None)


def _by_row(arrays: Tensors) -> Iterator[tuple[str, Array]]:
    for name, array in arrays.items():
        yield name, array.reshape(len(array), -1)


def _are_pictures(inputs: Specs) -> bool:
    spec = inputs[0]
    is_picture = len(spec.shape) == _PICTURE_RANK and spec.shape[0] == -1 and spec.shape[3] in (1, 3)
    return len(inputs) == 1 and is_picture and spec.datatype in _FLOATS


def _gap(array: Array) -> float:
    pixels, unit = np.split(array.astype(np.float64), 2)
    return float(np.abs(pixels - unit).max())


def _samples(inputs: Specs, *, halves: bool) -> dict[str, Array]:
    random = np.random.default_rng(_SEED)
    if halves:
        noise = random.integers(0, 256, [_ROWS // 2, *_sides(inputs[0])]).astype(np.float64)
        pictures = np.concatenate([noise, noise / 255])
        return {inputs[0].name: pictures.astype(DTYPE_BY_DATATYPE[inputs[0].datatype])}
    return {spec.name: _sample(spec, random) for spec in inputs}


def _sample(spec: TensorSpec, random: np.random.Generator) -> Array:
    shape = [_ROWS if spec.shape[0] == -1 else spec.shape[0], *_sides(spec)]
    dtype = DTYPE_BY_DATATYPE[spec.datatype]
    # Whole numbers may be token ids or categories: 0 and 1 are in every vocabulary.
    numbers = random.integers(0, 2, shape) if dtype.kind in "iub" else random.standard_normal(shape)
    return np.asarray(numbers, dtype=dtype)


def _sides(spec: TensorSpec) -> list[int]:
    free = _FREE_SIDE if len(spec.shape) == _PICTURE_RANK else _FREE_LENGTH
    return [free if side == -1 else side for side in spec.shape[1:]]
