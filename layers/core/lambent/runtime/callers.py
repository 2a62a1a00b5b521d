"""The caller of an API Gateway event."""

from __future__ import annotations

from lambent.domain.caller import Caller, Scope
from lambent.runtime.http_event import HttpEvent
from lambent.runtime.wiring import identify_service


def caller_of(event: HttpEvent, *, scope: Scope | None = None) -> Caller:
    """Return who sent an event, from the key that API Gateway has checked; never from what the request says.

    Raises
    ------
    AuthInvalid       the key stands for no tenant
    ForbiddenAction   the key lacks ``scope``
    Unavailable
    """
    caller = identify_service().caller(event.api_key_id)
    if scope is not None:
        caller.require(scope)
    return caller


def check_scope(event: HttpEvent, scope: Scope) -> None:
    """Hold a key to its scopes on a route that needs no tenant.

    API Gateway lets nobody pass without a key; only ``sam local``, which knows no keys, sends events without one.

    Raises
    ------
    AuthInvalid, ForbiddenAction, Unavailable
    """
    if event.api_key_id is not None:
        caller_of(event, scope=scope)
