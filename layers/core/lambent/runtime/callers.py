"""The caller of an API Gateway event."""

from __future__ import annotations

from lambent.domain.caller import ANY_SCOPE, Caller, Scope
from lambent.runtime.http_event import HttpEvent
from lambent.runtime.wiring import identify_service


def caller_of(event: HttpEvent, *scopes: Scope) -> Caller:
    """Return who sent an event, from the key that API Gateway has checked; never from what the request says.

    Parameters
    ----------
    scopes   of which the key must have one; any at all if none is named, since a key without scopes opens nothing

    Raises
    ------
    AuthInvalid       the key stands for no tenant
    ForbiddenAction   the key has none of ``scopes``
    Unavailable
    """
    caller = identify_service().caller(event.api_key_id)
    caller.require(*(scopes or ANY_SCOPE))
    return caller


def check_scope(event: HttpEvent, *scopes: Scope) -> None:
    """Hold a key to its scopes on a route that needs no tenant.

    API Gateway lets nobody pass without a key; only ``sam local``, which knows no keys, sends events without one.

    Raises
    ------
    AuthInvalid, ForbiddenAction, Unavailable
    """
    if event.api_key_id is not None:
        caller_of(event, *scopes)
