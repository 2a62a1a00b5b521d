"""Answers of the media door, as JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from lambent.contracts.media import ClassPrediction, MediaAnswer, TensorsPrediction, ValuePrediction
from lambent.contracts.media_types import CSV
from lambent.contracts.tables import write_rows

CSV_CONTENT_TYPE = f"{CSV}; charset=utf-8; header=present"


def encode_json(answer: MediaAnswer) -> bytes:
    """Return the answer as JSON."""
    return msgspec.json.encode(answer, enc_hook=_numbers)


def _numbers(array: Any) -> msgspec.Raw:
    """Return an array as JSON text, each number as short as its own datatype allows."""
    return msgspec.Raw(orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY))


def encode_csv(answer: MediaAnswer) -> bytes:
    """Return the predictions as a table, a row an item: ``label,score,label_2,score_2,…``, or ``value,unit``.

    Labels that an item lacks, because they do not reach the contract's threshold, leave their cells empty. Outputs as
    they are have a column a number: ``name``, or ``name[0],name[1],…``.
    """
    tensors = [each for each in answer.predictions if isinstance(each, TensorsPrediction)]
    if tensors:
        return write_rows(_columns(tensors[0]), ([*_cells_of_outputs(each)] for each in tensors))
    classes = [each for each in answer.predictions if isinstance(each, ClassPrediction)]
    if not classes:
        values = [each for each in answer.predictions if isinstance(each, ValuePrediction)]
        return write_rows(("value", "unit"), ((each.value, each.unit) for each in values))
    places = max(1, *(len(each.top) for each in classes))
    return write_rows(list(_header(places)), (list(_cells(each, places)) for each in classes))


def _columns(prediction: TensorsPrediction) -> list[str]:
    return [
        each.name if each.data.size == 1 else f"{each.name}[{place}]"
        for each in prediction.outputs
        for place in range(each.data.size)
    ]


def _cells_of_outputs(prediction: TensorsPrediction) -> Iterator[float]:
    for each in prediction.outputs:
        # As JSON has them: a 32-bit number has more digits as Python's own than it is good for.
        yield from orjson.loads(orjson.dumps(each.data, option=orjson.OPT_SERIALIZE_NUMPY))


def _header(places: int) -> Iterator[str]:
    yield from ("label", "score")
    for place in range(2, places + 1):
        yield from (f"label_{place}", f"score_{place}")


def _cells(prediction: ClassPrediction, places: int) -> Iterator[str | float | None]:
    for best in prediction.top:
        yield from (best.label, best.score)
    yield from [None] * (2 * (places - len(prediction.top)))
