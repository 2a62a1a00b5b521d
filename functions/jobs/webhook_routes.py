"""The secret that signs a tenant's webhooks: shown, and exchanged."""

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.domain.caller import Scope
from lambent.runtime.callers import caller_of
from lambent.runtime.http import http_event, json_answer
from lambent.runtime.wiring_notify import webhook_secret_service

router = Router()
_FOR_THE_CALLER_ALONE = {"Cache-Control": "no-store"}


@router.get("/webhooks/secret")
def show_secret() -> Response[bytes | str]:
    """Answer the secret, which is made when it is first asked for."""
    caller = caller_of(http_event(router.current_event), Scope.JOBS)
    service = webhook_secret_service()
    secret = service.view(service.secret(caller.tenant))
    return json_answer(msgspec.json.encode(secret), headers=_FOR_THE_CALLER_ALONE)


@router.post("/webhooks/secret")
def rotate_secret() -> Response[bytes | str]:
    """Make a new secret; the old one signs beside it for a day."""
    event = http_event(router.current_event)
    caller = caller_of(event, Scope.JOBS)
    service = webhook_secret_service()
    secret = service.view(service.rotate(caller.tenant, by=f"tenant {caller.tenant}, key {event.api_key_id}"))
    return json_answer(msgspec.json.encode(secret), headers=_FOR_THE_CALLER_ALONE)
