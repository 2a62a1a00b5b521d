"""The answer that a person reads: labels and scores, or a number with its unit."""

from __future__ import annotations

import msgspec


class LabelScore(msgspec.Struct, frozen=True):
    """A label with its score, 0 to 1."""

    label: str
    score: float


class ClassPrediction(msgspec.Struct, frozen=True):
    """The best label of one item, and the best ones in falling order of score.

    ``label`` and ``score`` are null, and ``top`` is empty, where no label reaches the contract's threshold.
    """

    label: str | None
    score: float | None
    top: list[LabelScore]


class ValuePrediction(msgspec.Struct, frozen=True):
    """The number of one item, in the contract's unit; null where it has none."""

    value: float
    unit: str | None


Prediction = ClassPrediction | ValuePrediction


class Usage(msgspec.Struct, frozen=True):
    """What the request cost."""

    items: int
    input_bytes: int


class MediaAnswer(msgspec.Struct, frozen=True):
    """Answer of POST /models/{m}/predict."""

    model: str
    version: str
    predictions: list[Prediction]
    usage: Usage
