"""The caller of an API Gateway event."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from lambent.domain.caller import Caller, Scope
from lambent.runtime.wiring import identify_service


def caller_of(event: APIGatewayProxyEvent, *, scope: Scope | None = None) -> Caller:
    """Return who sent an event, from the key that API Gateway has checked; never from what the request says.

    Raises
    ------
    AuthInvalid       the key stands for no tenant
    ForbiddenAction   the key lacks ``scope``
    Unavailable
    """
    caller = identify_service().caller(event.request_context.identity.api_key_id)
    if scope is not None:
        caller.require(scope)
    return caller


def check_scope(event: APIGatewayProxyEvent, scope: Scope) -> None:
    """Hold a key to its scopes on a route that needs no tenant.

    API Gateway lets nobody pass without a key; only ``sam local``, which knows no keys, sends events without one.

    Raises
    ------
    AuthInvalid, ForbiddenAction, Unavailable
    """
    if event.request_context.identity.api_key_id is not None:
        caller_of(event, scope=scope)
