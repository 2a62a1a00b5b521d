"""Which numbers a model wants for pixels, told from what reaches its first learning layer.

A network learns from numbers of a moderate range around zero, or from pixels as they are with their mean taken away.
So of two readings of a picture, 0 to 255 and 0 to 1, the model itself tells the right one if it prepares its input: by
the other one, black and white would reach the first learning layer as all but the same number, or as thousands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lambent.contracts.tensor import Array

PROBES = (-1.0, 0.0, 1.0, 255.0)  # constant pictures whose fate is followed
# Spans of what reaches a learning layer: standardized numbers of a dark data set at most, or pixels as they are.
_MODERATE = (0.4, 24.0)
_PIXELS = (100.0, 320.0)
_USUAL = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (0.0, 255.0), (-128.0, 127.0), (-2.2, 2.7))
_CLEARLY = 0.2  # of a usual range
_BORDER = 0.02
_FREE_SIDE = 32  # of a picture whose size is free


def probe_pictures(sides: tuple[int | None, ...]) -> Array:
    """Return one constant picture a probe, float32 (4, …); a side that is None or -1 is free."""
    shape = [_FREE_SIDE if side in (None, -1) else side for side in sides]
    levels = np.array(PROBES, dtype=np.float32).reshape(-1, *[1] * len(shape))
    return np.broadcast_to(levels, (len(PROBES), *shape)).copy()


def level_of(numbers: Array) -> tuple[float, ...]:
    """Return what each probe has become: in the middle of a picture, where no padding is, as the channels' mean."""
    middle = numbers[(slice(None), *[side // 2 for side in numbers.shape[1:-1]])]
    return tuple(np.atleast_1d(middle.mean(axis=-1)).tolist())


class PixelReading(NamedTuple):
    """What black and white become, and by which ``value * scale + offset`` of a pixel."""

    name: str
    black: float
    white: float
    scale: float
    offset: float


PIXELS_AS_THEY_ARE = PixelReading("0 to 255", 0.0, 255.0, 1.0, 0.0)
UNIT = PixelReading("0 to 1", 0.0, 1.0, 1 / 255, 0.0)
SIGNED = PixelReading("-1 to 1", -1.0, 1.0, 2 / 255, -1.0)


@dataclass(frozen=True)
class InputPath:
    """What happens to an input up to the first layers that learn.

    Parameters
    ----------
    steps    what changes its numbers, in words, in order
    idle     names of layers that act in training only
    levels   for each such layer, what the pictures of `PROBES` reach it as
    learns   its name, that of the first one; None where nothing learns
    behind   what prepares pixels of 0 to 255, in words, though it stands behind such a layer
    """

    steps: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    levels: tuple[tuple[float, ...], ...] = ()
    learns: str | None = None
    behind: tuple[str, ...] = ()

    def reached(self, reading: PixelReading) -> tuple[float, float]:
        """Return what black and white reach the first learning layer as."""
        return _reached(self.levels[0], reading)


def reading_of(path: InputPath) -> PixelReading | None:
    """Return the reading that all learning layers of a path agree on; None if they do not, or it cannot be told."""
    found = {_reading(levels) for levels in path.levels}
    return found.pop() if len(found) == 1 else None


def _reading(levels: tuple[float, ...]) -> PixelReading | None:
    plausible = [each for each in (PIXELS_AS_THEY_ARE, UNIT) if _is_plausible(levels, each)]
    # Numbers below zero for black are asked for by few, and most of what they explain the others explain better.
    plausible = plausible or [each for each in (SIGNED,) if _is_plausible(levels, each)]
    if len(plausible) < 2:  # noqa: PLR2004 - nothing to choose between
        return plausible[0] if plausible else None
    near = sorted((_strangeness(*_reached(levels, each)), each) for each in plausible)
    return near[0][1] if near[1][0] - near[0][0] > _CLEARLY else None


def _is_plausible(levels: tuple[float, ...], reading: PixelReading) -> bool:
    black, white = _reached(levels, reading)
    span = abs(white - black)
    if not any(low <= span <= high for low, high in (_MODERATE, _PIXELS)):
        return False
    # Where zero lies between black and white: at one of them, or well between.
    share = -black / (white - black)
    return min(abs(share), abs(share - 1)) < 1e-6 or _BORDER < share < 1 - _BORDER  # noqa: PLR2004 - rounding


def _reached(levels: tuple[float, ...], reading: PixelReading) -> tuple[float, float]:
    by_probe = dict(zip(PROBES, levels, strict=True))
    return by_probe[reading.black], by_probe[reading.white]


def _strangeness(black: float, white: float) -> float:
    """Return how far a range lies from the nearest usual one, as a share of that one."""
    return min(max(abs(black - low), abs(white - high)) / (high - low) for low, high in _USUAL)
