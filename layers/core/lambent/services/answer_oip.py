"""Open Inference Protocol: tensors in, tensors out."""

from __future__ import annotations

from uuid import uuid4

from lambent.contracts import oip
from lambent.domain.call import Call, CallAnswer
from lambent.services.predict import PredictService, Timings, run_tensors

_JSON = "application/json"


def answer_infer(call: Call, predict: PredictService, timings: Timings) -> CallAnswer:
    """Answer POST …/infer."""
    with timings.step("decode"):
        request = oip.decode_infer(call.body)
    served = predict.model(call.choice, timings)
    with timings.step("decode"):
        inputs = oip.read_inputs(request, served.contract)
        wanted = oip.wanted_outputs(request, served.contract)
    outputs = run_tensors(served, inputs, timings)
    with timings.step("encode"):
        body = oip.encode_answer(
            model=served.ref.name,
            version=served.ref.version,
            request_id=request.id or str(uuid4()),
            outputs={name: outputs[name] for name in wanted},
        )
    return CallAnswer(body, _JSON, served.ref)
