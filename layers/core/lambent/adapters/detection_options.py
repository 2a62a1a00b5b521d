"""Options of TFLite_Detection_PostProcess, the one operator outside of TFLite's own that the runtimes bring along.

They are a flexible buffer, a map of numbers (https://flatbuffers.dev/flexbuffers), which the operator reads unchecked.
"""

from __future__ import annotations

import math
from struct import unpack_from

from lambent.adapters.flat_buffer import Malformed

# What may stand in each number, bounds included. Boxes and classes are multiplied with each other.
MOST_CLASSES, MOST_DETECTIONS = 100_000, 10_000
BOUNDS: dict[str, tuple[float, float]] = {
    "max_detections": (1, MOST_DETECTIONS),
    "max_classes_per_detection": (1, MOST_CLASSES),
    "detections_per_class": (1, MOST_DETECTIONS),
    "num_classes": (1, MOST_CLASSES),
    "nms_score_threshold": (-math.inf, math.inf),
    "nms_iou_threshold": (0.0, 1.0),
    **dict.fromkeys(("x_scale", "y_scale", "w_scale", "h_scale"), (1e-6, 1e6)),
    "use_regular_nms": (0, 1),
}
NEEDED = ("max_detections", "max_classes_per_detection", "num_classes", "nms_score_threshold", "nms_iou_threshold")
SCALES = ("x_scale", "y_scale", "w_scale", "h_scale")
MOST_OPTION_BYTES, _MOST_KEYS = 4096, 64
_SIGNED, _UNSIGNED, _REAL, _MAP, _TRUTH = 1, 2, 3, 9, 26
_INTEGERS, _REALS = {1: "b", 2: "h", 4: "i", 8: "q"}, {4: "f", 8: "d"}


def read_detection_options(body: bytes) -> dict[str, float]:
    """Return the numbers by their names.

    Raises
    ------
    Malformed   they are no such map, or one of them is missing or out of bounds
    """
    values = _Flexible(body).numbers()
    if missing := [name for name in (*NEEDED, *SCALES) if name not in values]:
        raise Malformed(f"its options have no {', '.join(missing)}")
    for name, (low, high) in BOUNDS.items():
        if name in values and not low <= values[name] <= high:
            raise Malformed(f"its option {name} is {values[name]:g}, and may be {low:g} to {high:g}")
    if values["max_classes_per_detection"] > values["num_classes"]:
        raise Malformed("its option max_classes_per_detection is more than num_classes")
    return values


class _Flexible:
    """A map of numbers; everything else in it is passed over."""

    def __init__(self, body: bytes) -> None:
        if len(body) < 3:  # noqa: PLR2004 - a value, its type and its width
            raise Malformed("its options are missing")
        self._body = body

    def numbers(self) -> dict[str, float]:
        kind, width = self._body[-2], self._body[-1]
        if kind >> 2 != _MAP or width not in _INTEGERS:
            raise Malformed("its options are no map")
        values = self._follow(len(self._body) - 2 - width, width)
        size = 1 << (kind & 3)
        count = self._whole(values - size, size)
        keys = self._follow(values - 3 * size, size)
        key_width = self._whole(values - 2 * size, size)
        if count > _MOST_KEYS or key_width not in _INTEGERS or self._whole(keys - key_width, key_width) != count:
            raise Malformed("its options are no map")
        types = values + count * size
        self._check(types, count)
        names = [self._name(self._follow(keys + each * key_width, key_width)) for each in range(count)]
        told = [self._number(values + each * size, size, self._body[types + each]) for each in range(count)]
        if names != sorted(set(names)):
            raise Malformed("the names of its options are not in order")
        values_by_name = dict(zip(names, told, strict=True))
        if odd := [name for name in BOUNDS if name in values_by_name and values_by_name[name] is None]:
            raise Malformed(f"its option {odd[0]} is no number")
        return {name: value for name, value in values_by_name.items() if value is not None}

    def _number(self, at: int, width: int, kind: int) -> float | None:
        letters = _REALS if kind >> 2 == _REAL else _INTEGERS
        if kind >> 2 not in {_SIGNED, _UNSIGNED, _REAL, _TRUTH} or width not in letters:
            return None
        self._check(at, width)
        letter = letters[width].upper() if kind >> 2 in {_UNSIGNED, _TRUTH} else letters[width]
        value = float(unpack_from(f"<{letter}", self._body, at)[0])
        if math.isnan(value):
            raise Malformed("one of its options is no number")
        return value

    def _name(self, at: int) -> str:
        end = self._body.find(b"\0", at)
        if end < 0:
            raise Malformed("a name of its options has no end")
        return self._body[at:end].decode("latin-1")

    def _follow(self, at: int, width: int) -> int:
        target = at - self._whole(at, width)
        self._check(target, 1)
        return target

    def _whole(self, at: int, width: int) -> int:
        self._check(at, width)
        return int.from_bytes(self._body[at : at + width], "little")

    def _check(self, at: int, size: int) -> None:
        if at < 0 or at + size > len(self._body):
            raise Malformed("its options lead out of themselves")
