"""Media routes: a picture in, labels out."""

import msgspec
from answers import predicted
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.contracts.media import MediaAnswer, Usage
from lambent.domain.model import ModelChoice
from lambent.errors import MediaTypeUnsupported, RequestInvalid
from lambent.runtime.http import content_type, read_body
from lambent.runtime.wiring import predict_service, predict_settings
from lambent.services.predict import Timings, accepted_media, label_tensors, preprocess

router = Router()
_DEFAULT_TOP_K = 1
_MAX_TOP_K = 100


@router.post("/models/<model>/predict")
@router.post("/models/<model>/versions/<version>/predict")
@router.post("/models/<model>/labels/<label>/predict")
def predict(model: str, version: str | None = None, label: str | None = None) -> Response[bytes]:
    """One raw input in, its labels out."""
    timings = Timings()
    body = read_body(router.current_event, max_bytes=predict_settings().max_body_bytes)
    top_k = _top_k(router.current_event.get_query_string_value("top_k"))
    served = predict_service().model(ModelChoice(model, version, label), timings)
    accepted = accepted_media(served.contract)
    if content_type(router.current_event) not in accepted:
        raise MediaTypeUnsupported(
            f"Set Content-Type to one of: {', '.join(accepted) or 'none: this model takes tensors only'}.",
            field="Content-Type",
            limit=list(accepted),
            got=content_type(router.current_event)[:64],
        )
    with timings.step("preprocess"):
        tensor = preprocess(body, served.contract)
    predictions = label_tensors(served, [tensor], timings, top_k=top_k)
    with timings.step("encode"):
        usage = Usage(items=1, input_bytes=len(body))
        answer = MediaAnswer(served.ref.name, str(served.ref.version), predictions, usage)
        encoded = msgspec.json.encode(answer)
    return predicted(encoded, served, timings)


def _top_k(text: str | None) -> int:
    if text is None:
        return _DEFAULT_TOP_K
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= _MAX_TOP_K:
        raise RequestInvalid(f"top_k is a whole number from 1 to {_MAX_TOP_K}.", field="top_k", limit=_MAX_TOP_K)
    return int(text)
