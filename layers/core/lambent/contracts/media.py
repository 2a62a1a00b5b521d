"""The answer that a person reads: labels and scores."""

from __future__ import annotations

import msgspec


class LabelScore(msgspec.Struct, frozen=True):
    """A label with its score, 0 to 1."""

    label: str
    score: float


class MediaPrediction(msgspec.Struct, frozen=True):
    """The best label of one item, and the next ones in falling order of score."""

    label: str
    score: float
    top: list[LabelScore]


class Usage(msgspec.Struct, frozen=True):
    """What the request cost."""

    items: int
    input_bytes: int


class MediaAnswer(msgspec.Struct, frozen=True):
    """Answer of POST /models/{m}/predict."""

    model: str
    version: str
    predictions: list[MediaPrediction]
    usage: Usage
