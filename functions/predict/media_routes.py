"""Media routes: a raw item in, labels out."""

from answers import answer
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.domain.call import Operation
from lambent.domain.model import ModelChoice

router = Router()


@router.post("/models/<model>/predict")
@router.post("/models/<model>/versions/<version>/predict")
@router.post("/models/<model>/labels/<label>/predict")
def predict(model: str, version: str | None = None, label: str | None = None) -> Response[bytes | str]:
    """Raw input in, its labels out."""
    return answer(Operation.MEDIA_PREDICT, ModelChoice(model, version, label), router.current_event)
