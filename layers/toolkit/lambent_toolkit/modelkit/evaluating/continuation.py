"""Whether targets continue the windows of their items: seen from the windows that overlap.

Where items are windows slid along a series, the window of one item holds the target of another as its last step. Both
may be in other units (a standardized window, a target in its own), so what is looked for is a straight line between the
two that fits every such pair exactly. Of windows that do not overlap nothing can be told: there the contract has to.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ModelContract, Series, TensorPreprocessing
from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.recipe import Split

# Of so many pairs on one line to six digits, none is by chance.
_FEWEST_PAIRS = 20
_MOST_STEPS_AHEAD = 24
_ROUNDING = 1e-5
# A past that is compared must be long enough not to repeat by itself.
_FEWEST_COMMON_STEPS = 3

Windows = NDArray[np.float64]


def find_continuation(contract: ModelContract, split: Split) -> Series | None:
    """Return where the series stands that the targets continue, without a season; None where windows do not show it.

    Parameters
    ----------
    contract   of a model that takes tensors, whose inputs of (rows, steps) or (rows, steps, channels) are looked at
    split      of whose three parts windows and targets are
    """
    if not isinstance(contract.preprocessing, TensorPreprocessing):
        return None
    parts = (split.train, split.validation, split.test)
    targets = np.concatenate([part.targets for part in parts]).astype(np.float64)
    for spec in contract.inputs:
        if len(spec.shape) not in {2, 3}:
            continue
        arrays = [part.tensors[spec.name] for part in parts]
        if len({array.shape[1:] for array in arrays}) > 1:
            continue
        windows = np.concatenate(arrays).astype(np.float64)
        windows = windows[..., None] if windows.ndim == 2 else windows  # noqa: PLR2004 - one channel
        for series in _lines(spec.name, windows, targets):
            return series
    return None


def share_amid_training(split: Split, name: str) -> float:
    """Return the share of the test items whose window is that of a training item, one step on or one step back.

    Parameters
    ----------
    name   of the input of windows, (rows, steps, …)
    """
    train, test = (part.tensors[name] for part in (split.train, split.test))
    if train.shape[1:] != test.shape[1:] or test.shape[1] <= _FEWEST_COMMON_STEPS:
        return 0.0
    starts, ends = ({each.tobytes() for each in part} for part in (train[:, :-1], train[:, 1:]))
    amid = [
        window[1:].tobytes() in starts or window[:-1].tobytes() in ends
        for window in test
        # One that does not change is its own neighbour.
        if np.ptp(window) > 0
    ]
    return sum(amid) / len(test)


def _lines(name: str, windows: Windows, targets: Floats) -> Iterator[Series]:
    for steps in range(1, min(_MOST_STEPS_AHEAD, windows.shape[1] - _FEWEST_COMMON_STEPS) + 1):
        items, later = _overlapping(windows, steps)
        if len(items) < _FEWEST_PAIRS:
            continue
        for channel in range(windows.shape[2]):
            line = _line(windows[later, -1, channel], targets[items])
            if line is not None:
                yield Series(input=name, channel=channel, steps_ahead=steps, scale=line[0], offset=line[1])


def _overlapping(windows: Windows, steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of items of which the later one's window is the other's, so many steps on."""
    starts = {window.tobytes(): row for row, window in enumerate(windows[:, :-steps])}
    pairs = [(row, starts.get(window.tobytes())) for row, window in enumerate(windows[:, steps:])]
    # A window that does not change is its own continuation, which says nothing.
    found = np.array([(row, later) for row, later in pairs if later not in {None, row}], dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _line(values: Floats, targets: Floats) -> tuple[float, float] | None:
    """Return scale and offset of the line that all targets lie on, None if they do not lie on one."""
    if np.ptp(values) == 0 or np.ptp(targets) == 0:
        return None
    scale, offset = np.polyfit(values, targets, 1)
    beside = np.abs(values * scale + offset - targets).max()
    if beside > _ROUNDING * np.ptp(targets):
        return None
    is_same = bool(np.abs(values - targets).max() <= _ROUNDING * np.ptp(targets))
    return (1.0, 0.0) if is_same else (float(scale), float(offset))
