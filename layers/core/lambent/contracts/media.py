"""The answer that a person reads: labels and scores, a number with its unit, or a model's outputs as they are."""

from __future__ import annotations

from typing import Any

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


class NamedTensor(msgspec.Struct, frozen=True):
    """One output of one item.

    ``datatype`` is a word of the Open Inference Protocol. ``shape`` is the item's own, without the batch; ``data``
    holds its numbers flat, row-major.
    """

    name: str
    datatype: str
    shape: list[int]
    data: Any  # ndarray of one dimension, which encoders write as a list


class TensorsPrediction(msgspec.Struct, frozen=True):
    """All outputs of one item, of a model whose contract declares neither labels nor a number."""

    outputs: list[NamedTensor]


Prediction = ClassPrediction | ValuePrediction | TensorsPrediction


def prediction_fields(prediction: Prediction) -> dict[str, Any]:
    """Return a prediction as the fields of a JSON object; arrays stay arrays, for an encoder that writes them."""
    if isinstance(prediction, TensorsPrediction):
        return {"outputs": [msgspec.structs.asdict(each) for each in prediction.outputs]}
    fields: dict[str, Any] = msgspec.to_builtins(prediction)
    return fields


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
