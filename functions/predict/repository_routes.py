"""Model repository routes of the Open Inference Protocol: what is served, and an operator's say in it."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.contracts.oip_metadata import check_load_request, check_unload_request, decode_index_request
from lambent.domain.caller import Scope
from lambent.runtime.callers import caller_of
from lambent.runtime.http import http_event, json_answer
from lambent.runtime.http_event import read_body
from lambent.runtime.wiring import repository_service

router = Router()
_MAX_BODY_BYTES = 65_536


@router.post("/v2/repository/index")
def index() -> Response[bytes | str]:
    """Every version with its state."""
    request = decode_index_request(_body())
    return json_answer(repository_service().index(is_ready_only=request.ready))


@router.post("/v2/repository/models/<model>/load")
def load(model: str) -> Response[bytes | str]:
    """Serve a model again."""
    check_load_request(_body())
    repository_service().load(model, by=_operator())
    return json_answer({})


@router.post("/v2/repository/models/<model>/unload")
def unload(model: str) -> Response[bytes | str]:
    """Stop serving a model."""
    check_unload_request(_body())
    repository_service().unload(model, by=_operator())
    return json_answer({})


def _operator() -> str:
    """Return who asks, for the trail of changes; raises ForbiddenAction and what else `caller_of` raises."""
    event = http_event(router.current_event)
    return f"tenant {caller_of(event, Scope.OPERATOR).tenant}, key {event.api_key_id}"


def _body() -> bytes:
    return read_body(http_event(router.current_event), max_bytes=_MAX_BODY_BYTES)
