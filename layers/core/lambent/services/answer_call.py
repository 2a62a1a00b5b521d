"""The data plane: every prediction that a protocol asks for, at the door or from a queue."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from lambent.domain.call import Call, CallAnswer, Operation
from lambent.services.predict import PredictService, Timings

Answerer = Callable[[Call, PredictService, Timings], CallAnswer]


class CallService:
    """Answers calls of all protocols with the same models."""

    def __init__(self, predict: PredictService) -> None:
        self._predict = predict

    def answer(self, call: Call, timings: Timings) -> CallAnswer:
        """Answer one call; raises whatever is wrong with it or with its model, see `lambent.errors`."""
        return _answerer(call.operation)(call, self._predict, timings)


@cache
def _answerer(operation: Operation) -> Answerer:
    """Return the protocol's function; imported when first asked for, so that a cold start loads one protocol."""
    if operation is Operation.OIP_INFER:
        from lambent.services.answer_oip import answer_infer

        return answer_infer
    from lambent.services.answer_media import answer_predict

    return answer_predict
