"""The data plane: every prediction that a protocol asks for, at the door or from a queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from time import perf_counter_ns

from lambent.contracts.content_coding import choose_coding, decode_content, encode_content
from lambent.domain.call import CANARY_HEADER, Call, CallAnswer, Operation
from lambent.services.predict import PredictService, Timings
from lambent.services.statistics import Statistics

Answerer = Callable[[Call, PredictService, Timings], CallAnswer]


class CallService:
    """Answers calls of all protocols with the same models."""

    def __init__(self, predict: PredictService) -> None:
        self.statistics = Statistics()
        self._predict = predict

    def answer(self, call: Call, timings: Timings, *, admit: Callable[[], None] | None = None) -> CallAnswer:
        """Answer one call; raises whatever is wrong with it or with its model, see `lambent.errors`.

        A compressed body is decoded here, and a large answer compressed for a client that takes it, for all protocols.
        ``admit`` raises if the caller may not use models; it is asked once the body is known to be a request.
        """
        start_ns = perf_counter_ns()
        try:
            answer = self._answer(call, self._predict.for_call(call.routing_key, admit), timings)
        except Exception:
            self.statistics.failed(timings, total_ns=perf_counter_ns() - start_ns)
            raise
        self.statistics.succeeded(timings, total_ns=perf_counter_ns() - start_ns)
        return answer

    def _answer(self, call: Call, predict: PredictService, timings: Timings) -> CallAnswer:
        if "content-encoding" in call.headers:
            with timings.step("decode"):
                call = replace(call, body=decode_content(call.body, call.headers["content-encoding"]))
        answer = _answerer(call.operation)(call, predict, timings)
        if timings.target is not None and timings.target.is_canary is not None:
            flag = str(timings.target.is_canary).lower()
            answer = replace(answer, headers={**answer.headers, CANARY_HEADER: flag})
        coding = choose_coding(answer.body, call.headers.get("accept-encoding"))
        if coding is None:
            return answer
        with timings.step("encode"):
            headers = {**answer.headers, "Content-Encoding": coding, "Vary": "Accept-Encoding"}
            return replace(answer, body=encode_content(answer.body, coding), headers=headers)


@cache
def _answerer(operation: Operation) -> Answerer:
    """Return the protocol's function; imported when first asked for, so that a cold start loads one protocol."""
    if operation is Operation.OIP_INFER:
        from lambent.services.answer_oip import answer_infer

        return answer_infer
    if operation in {Operation.TFS_PREDICT, Operation.TFS_CLASSIFY, Operation.TFS_REGRESS}:
        from lambent.services.answer_tfs import answer_tfs

        return answer_tfs
    from lambent.services.answer_media import answer_predict

    return answer_predict
