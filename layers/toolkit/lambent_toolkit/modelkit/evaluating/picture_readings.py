"""Whether a model of pictures was made for another reading of the pixels than its contract declares.

The same items go through the same model in the readings that are common, as the nearest thing to a look into the code
that it was trained by. Other scales are tried where a model is no better than guessing, or far behind the nearest
training item: on another scale most models know nothing. With red and blue exchanged (OpenCV reads pictures as BGR, and
so do networks from Caffe) they still know much, so that this is tried of every model of coloured pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.evaluating.paired import LEVEL, error_difference
from lambent_toolkit.modelkit.quantization_loss import paired_interval
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
# That one exchange is tried of each model, which a good one must not be accused by: once in 2,000 that do not care.
_SURE = 0.999
_COLOURED = 3

Outputs = Mapping[str, Array]


class Answer(Protocol):
    """Runs the model on items with their tensors, which the preprocessing of a contract made."""

    def __call__(self, part: Prepared, contract: ModelContract, *, is_swapped: bool = False) -> Outputs:
        """Return its outputs; with red and blue exchanged if ``is_swapped``."""
        ...


@dataclass(frozen=True)
class Reading:
    """A reading that is much better than the declared one.

    ``error`` and ``declared_error`` are shares of wrong answers, or a regression's RMSE, on the same ``items``.
    ``is_swapped``: with red and blue exchanged; ``is_rescaled``: on another scale than the declared one.
    """

    name: str
    scale: float
    offset: float
    error: float
    declared_error: float
    items: int
    is_swapped: bool = False
    is_rescaled: bool = True


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
    if not isinstance(spec, ImagePreprocessing) or contract.inputs[0].datatype != "FP32" or spec.scale == 0:
        return None
    part = _some(part)
    is_root = not isinstance(contract.postprocessing, Classification)
    declared = _errors(answer(part, contract), part, contract)
    found = {
        (name, False): _errors(answer(*_read(part, contract, spec, scale, offset)), part, contract)
        for name, (scale, offset) in READINGS.items()
        if not _is_declared(spec, scale, offset)
    }
    if spec.channels == _COLOURED:
        found |= {
            (name, True): _errors(answer(*_read(part, contract, spec, scale, offset), is_swapped=True), part, contract)
            for name, (scale, offset) in READINGS.items()
        }
    best = min(found, key=lambda each: float(found[each].mean()))
    name, is_swapped = best
    guessed = (part.targets != guess).astype(np.float64) if not is_root else (part.targets - guess) ** 2
    errors = [float(np.sqrt(each.mean())) if is_root else float(each.mean()) for each in (found[best], declared)]
    least = LEAST_GAIN * errors[1] if is_root else LEAST_GAIN
    # The best of so many readings looks better than it is.
    differences = [error_difference(worse, found[best], is_root=is_root) for worse in (declared, guessed)]
    if errors[1] - errors[0] < least or not all(
        each.value > 0 and each.significance.p_value <= LEVEL / len(found) for each in differences
    ):
        return None
    scale, offset = READINGS[name]
    is_rescaled = not _is_declared(spec, scale, offset)
    return Reading(name, scale, offset, errors[0], errors[1], len(part), is_swapped, is_rescaled)


def swapped_reading(contract: ModelContract, part: Prepared, answer: Answer) -> Reading | None:
    """Return the reading with red and blue exchanged if it is surely better than the declared one, None otherwise.

    Parameters
    ----------
    contract, part, answer   as of `better_reading`
    """
    spec = contract.preprocessing
    if not isinstance(spec, ImagePreprocessing) or spec.channels != _COLOURED or spec.scale == 0:
        return None
    part = _some(part)
    declared, swapped = (
        _errors(answer(part, contract, is_swapped=is_swapped), part, contract) for is_swapped in (False, True)
    )
    is_root = not isinstance(contract.postprocessing, Classification)
    if is_root:
        significance = error_difference(declared, swapped, is_root=True).significance if len(part) > 1 else None
        is_better = significance is not None and significance.p_value <= 1 - _SURE
        is_better &= float(swapped.mean()) < float(declared.mean())
    else:
        won, lost = int((declared > swapped).sum()), int((swapped > declared).sum())
        is_better = paired_interval(won, lost, len(part), confidence=_SURE)[0] > 0
    if not is_better:
        return None
    errors = [float(np.sqrt(each.mean())) if is_root else float(each.mean()) for each in (swapped, declared)]
    return Reading("declared", spec.scale, spec.offset, *errors, len(part), is_swapped=True, is_rescaled=False)


def exchanged(part: Prepared, contract: ModelContract) -> Prepared:
    """Return the part with red and blue exchanged: in its tensors, and in items that become just those tensors."""
    spec: ImagePreprocessing = contract.preprocessing  # type: ignore[assignment] - pictures
    name = contract.inputs[0].name
    tensor = np.ascontiguousarray(part.tensors[name][..., ::-1])
    pixels = np.rint((tensor.astype(np.float64) - spec.offset) / spec.scale).clip(0, 255).astype(np.uint8)
    return replace(part, items=[_png(picture) for picture in pixels], tensors={name: tensor})


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


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
