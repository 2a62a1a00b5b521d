"""A batch of prepared items into lines: each its result, or the error that it alone meets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lambent.contracts.jobs import ShardItem
from lambent.contracts.lines import error_line
from lambent.contracts.media import Prediction, prediction_fields
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing.padding import Padding
from lambent.errors import LambentError, MemoryExhausted
from lambent.services.load_model import ServedModel
from lambent.services.predict import Timings, predict_items
from lambent.services.prepare_items import ReadyItem

_TOP_K = 5


def answer_batch(model: ServedModel, batch: Sequence[ReadyItem], padding: Padding) -> list[dict[str, Any]]:
    """Return one line an item, in their order.

    Parameters
    ----------
    padding   what the model gets whatever the batch has lost to bad items

    Raises
    ------
    MemoryExhausted   this host has too little memory for a batch of several items
    Unavailable       and any other error that is not an item's own
    """
    prepared = [ready.arrays for ready in batch if ready.arrays is not None]
    answers = iter(_answer_each(model, prepared, padding))
    return [
        error_line(ready.item, ready.error.to_dict())
        if ready.error is not None
        else _line(ready.item, model, next(answers))
        for ready in batch
    ]


def run_alone(model: ServedModel, ready: ReadyItem, padding: Padding) -> LambentError | None:
    """Give the model one item to see what becomes of that; return the error that it meets, None without one.

    Raises
    ------
    Unavailable   and any other error that is not an item's own
    """
    try:
        if ready.arrays is not None:
            predict_items(model, [ready.arrays], Timings(), top_k=_TOP_K, padding=padding)
    except LambentError as error:
        if not error.is_final:
            raise
        return error
    return ready.error


def _answer_each(
    model: ServedModel, prepared: list[dict[str, Array]], padding: Padding
) -> list[Prediction | LambentError]:
    """Return each item's prediction, or the permanent error that it alone meets; raises all others."""
    if not prepared:
        return []
    try:
        return [*predict_items(model, prepared, Timings(), top_k=_TOP_K, padding=padding)]
    except LambentError as error:
        if not error.is_final or (isinstance(error, MemoryExhausted) and padding.rows > 1):
            raise
        if len(prepared) == 1:
            return [error]
    # A batch fails as a whole, by an item that the model itself cannot take: half by half, it is found.
    middle = len(prepared) // 2
    return _answer_each(model, prepared[:middle], padding) + _answer_each(model, prepared[middle:], padding)


def _line(item: ShardItem, model: ServedModel, answer: Prediction | LambentError) -> dict[str, Any]:
    if isinstance(answer, LambentError):
        return error_line(item, answer.to_dict())
    return {"id": item.id, "model": str(model.ref), **prediction_fields(answer)}
