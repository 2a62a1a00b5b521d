"""Whether a model of pictures was made for another reading of the pixels than its contract declares.

Tried where a model is no better than guessing, or far behind the nearest training item: the same items go through the
same model in the readings that are common, as the nearest thing to a look into the code that it was trained by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.evaluating.paired import error_difference
from lambent_toolkit.modelkit.recipe import Prepared

# Name → scale and offset of a pixel from 0 to 255. The last is the mean of ImageNet's three means and deviations.
READINGS: dict[str, tuple[float, float]] = {
    "0 to 1": (1 / 255, 0.0),
    "0 to 255": (1.0, 0.0),
    "-1 to 1": (2 / 255, -1.0),
    "1 to 0, dark and bright exchanged": (-1 / 255, 1.0),
    "255 to 0, dark and bright exchanged": (-1.0, 255.0),
    "around zero, by ImageNet's mean and deviation": (1 / (255 * 0.226), -0.449 / 0.226),
}
MOST_ITEMS = 400
LEAST_GAIN = 0.1
_SAME = 1e-3

Outputs = Mapping[str, Array]
# Of items with their tensors, and of the contract whose preprocessing made those.
Answer = Callable[[Prepared, ModelContract], Outputs]


@dataclass(frozen=True)
class Reading:
    """A reading that is much better than the declared one.

    ``error`` and ``declared_error`` are shares of wrong answers, or a regression's RMSE, on the same ``items``.
    """

    name: str
    scale: float
    offset: float
    error: float
    declared_error: float
    items: int


def better_reading(contract: ModelContract, part: Prepared, answer: Answer, guess: float) -> Reading | None:
    """Return the best of the common readings if it is much better than the declared one, None otherwise.

    Parameters
    ----------
    contract   of a classification or a regression
    part       test items with their tensors
    answer     runs the model on items, or on the tensors that a contract with another reading makes of them
    guess      what would be answered without looking, which another reading must beat: class number, or number
    """
    spec = contract.preprocessing
    if not isinstance(spec, ImagePreprocessing) or contract.inputs[0].datatype != "FP32":
        return None
    part = _some(part)
    is_root = not isinstance(contract.postprocessing, Classification)
    declared = _errors(answer(part, contract), part, contract)
    found = {
        name: _errors(answer(*_read(part, contract, spec, scale, offset)), part, contract)
        for name, (scale, offset) in READINGS.items()
        if not _is_declared(spec, scale, offset)
    }
    name = min(found, key=lambda each: float(found[each].mean()))
    guessed = (part.targets != guess).astype(np.float64) if not is_root else (part.targets - guess) ** 2
    errors = [float(np.sqrt(each.mean())) if is_root else float(each.mean()) for each in (found[name], declared)]
    least = LEAST_GAIN * errors[1] if is_root else LEAST_GAIN
    if errors[1] - errors[0] < least or not all(
        error_difference(worse, found[name], is_root=is_root).low > 0 for worse in (declared, guessed)
    ):
        return None
    scale, offset = READINGS[name]
    return Reading(name, scale, offset, errors[0], errors[1], len(part))


def _some(part: Prepared) -> Prepared:
    rows = np.unique(np.linspace(0, len(part) - 1, min(len(part), MOST_ITEMS)).astype(np.int64))
    return replace(
        part,
        items=[part.items[row] for row in rows],
        targets=part.targets[rows],
        tensors={name: array[rows] for name, array in part.tensors.items()},
        slices={},
    )


def _read(
    part: Prepared, contract: ModelContract, spec: ImagePreprocessing, scale: float, offset: float
) -> tuple[Prepared, ModelContract]:
    """Return the part and the contract in another reading."""
    name = contract.inputs[0].name
    pixels = (part.tensors[name] - spec.offset) / spec.scale
    read = msgspec.structs.replace(spec, scale=scale, offset=offset)
    return (
        replace(part, tensors={name: (pixels * scale + offset).astype(np.float32)}),
        msgspec.structs.replace(contract, preprocessing=read),
    )


def _is_declared(spec: ImagePreprocessing, scale: float, offset: float) -> bool:
    return bool(np.isclose(spec.scale, scale, rtol=_SAME) and np.isclose(spec.offset, offset, rtol=_SAME, atol=_SAME))


def _errors(outputs: Outputs, part: Prepared, contract: ModelContract) -> Floats:
    """Return each item's error: 0 or 1 of a classifier, squares of a regression; as bad as can be if not finite."""
    spec = contract.postprocessing
    if not all(np.isfinite(array).all() for array in outputs.values()):
        return np.full(len(part), np.inf)
    rows = answer_rows(outputs, contract, of=contract.name)
    if isinstance(spec, Classification):
        return (~score(rows, spec).right(part.targets.astype(np.int64))).astype(np.float64)
    squares: Floats = (numbers(rows, spec) - part.targets) ** 2  # type: ignore[arg-type] - a regression
    return squares
