"""Requests of another form than API Gateway's REST APIs send: answered, where somebody waits for an answer by HTTP."""

from __future__ import annotations

from typing import Any

from lambent.runtime.http_event import is_request

_WANTED = "a request of an API Gateway REST API (proxy integration, payload version 1.0)"


def refuse_foreign(event: Any, *, request_id: str) -> dict[str, Any] | None:
    """Return the answer to a request of another form; None for one that the doors can read.

    Raises
    ------
    EventUnknown   the event is no request at all, so that an answer would count as its being done
    """
    if is_request(event):
        return None
    from lambent.runtime.foreign_events import refuse, unknown
    from lambent.runtime.http_answers import refuse as answer

    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        refuse(event, _WANTED)
    proxy = answer(unknown(event, _WANTED), request_id=request_id).to_proxy()
    # A load balancer and an HTTP API read single values.
    return {**proxy, "headers": {name: values[0] for name, values in proxy["multiValueHeaders"].items()}}
