"""Open Inference Protocol: tensors, or raw items, in; tensors out, as the model's file gives them."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_hex
from typing import TYPE_CHECKING

from lambent.contracts import oip, oip_answers
from lambent.contracts.oip_raw import read_raw_items
from lambent.domain.call import Call, CallAnswer
from lambent.domain.preprocessing import prepare_all
from lambent.errors import MediaTypeUnsupported
from lambent.services.predict import PredictService, Timings, run_tensors

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array
    from lambent.services.load_model import ServedModel

_ID_BYTES = 8
_JSON = "application/json"
_BINARY = "application/octet-stream"
_HEADER_LENGTH = "Inference-Header-Content-Length"
# Clients of this protocol send no type at all, or what curl says by itself: the body tells what it is.
_ACCEPTED_TYPES = ("", _JSON, _BINARY, "application/x-www-form-urlencoded")


def answer_infer(call: Call, predict: PredictService, timings: Timings) -> CallAnswer:
    """Answer POST …/infer."""
    _check_media_type(call.headers.get("content-type", ""))
    with timings.step("decode"):
        sent = oip.decode_infer(call.body, call.headers.get(_HEADER_LENGTH.lower()))
    served = predict.model(call.choice, timings)
    with timings.step("decode"):
        choices = oip_answers.choose_outputs(sent.request, served.contract)
    outputs = run_tensors(served, _inputs(sent, served, timings), timings)
    with timings.step("encode"):
        answer = oip_answers.encode_answer(
            served.contract,
            version=served.ref.version,
            request_id=sent.request.id or token_hex(_ID_BYTES),
            outputs=outputs,
            choices=choices,
        )
    if answer.json_length is None:
        return CallAnswer(answer.body, _JSON, served.ref)
    return CallAnswer(answer.body, _BINARY, served.ref, {_HEADER_LENGTH: str(answer.json_length)})


def _inputs(sent: oip.InferCall, served: ServedModel, timings: Timings) -> Mapping[str, Array]:
    """Return the tensors of a request, or what preprocessing makes of its raw items."""
    with timings.step("decode"):
        items = read_raw_items(sent, served.contract)
        if items is None:
            return oip.read_inputs(sent, served.contract)
    with timings.step("preprocess"):
        return served.preprocessor.collate(prepare_all(served.preprocessor, items, field="inputs[0].data"))


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _ACCEPTED_TYPES:
        raise MediaTypeUnsupported(
            f"Set Content-Type to {_JSON}, to {_BINARY} for a body with binary tensors, or leave it out.",
            field="Content-Type",
            limit=[_JSON, _BINARY],
            got=media_type[:64],
        )
