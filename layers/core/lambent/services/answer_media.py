"""What a person sends: a raw item in, labels out."""

from __future__ import annotations

import msgspec

from lambent.contracts.media import MediaAnswer, Usage
from lambent.domain.call import Call, CallAnswer
from lambent.errors import MediaTypeUnsupported, RequestInvalid
from lambent.services.load_model import ServedModel
from lambent.services.predict import PredictService, Timings, predict_items

_JSON = "application/json"
_DEFAULT_TOP_K = 1
_MAX_TOP_K = 100


def answer_predict(call: Call, predict: PredictService, timings: Timings) -> CallAnswer:
    """Answer POST /models/{model}/predict."""
    top_k = _top_k(call.query.get("top_k"))
    served = predict.model(call.choice, timings)
    _check_media_type(call, served)
    with timings.step("preprocess"):
        prepared = served.preprocessor.prepare(call.body)
    predictions = predict_items(served, [prepared], timings, top_k=top_k)
    with timings.step("encode"):
        usage = Usage(items=1, input_bytes=len(call.body))
        answer = MediaAnswer(served.ref.name, str(served.ref.version), predictions, usage)
        body = msgspec.json.encode(answer)
    return CallAnswer(body, _JSON, served.ref)


def _check_media_type(call: Call, served: ServedModel) -> None:
    accepted = served.preprocessor.accepted_media
    media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in accepted:
        raise MediaTypeUnsupported(
            f"Set Content-Type to one of: {', '.join(accepted) or 'none: this model takes tensors only'}.",
            field="Content-Type",
            limit=list(accepted),
            got=media_type[:64],
        )


def _top_k(text: str | None) -> int:
    if text is None:
        return _DEFAULT_TOP_K
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= _MAX_TOP_K:
        raise RequestInvalid(f"top_k is a whole number from 1 to {_MAX_TOP_K}.", field="top_k", limit=_MAX_TOP_K)
    return int(text)
