"""From an API Gateway event to a call, and from the call's answer back to HTTP."""

from types import ModuleType

from call_routes import find_call

from lambent.domain.call import CALL_HEADERS, Call, CallAnswer, Operation
from lambent.domain.caller import Scope
from lambent.domain.model import ModelChoice
from lambent.domain.preferences import is_later_wanted
from lambent.errors import LambentError, PayloadTooLarge
from lambent.runtime.callers import check_scope
from lambent.runtime.http_answers import HttpAnswer, break_down, refuse, whole_body
from lambent.runtime.http_event import HttpEvent, read_body, request_key_of
from lambent.runtime.observability import PREDICT_LATENCY, PREDICTIONS, REQUESTS, begin_invocation, record
from lambent.runtime.wiring import call_service, predict_settings
from lambent.services.predict import Timings

_requests_seen = 0


def begin_request(request_id: str) -> None:
    """Remember the request, and whether it is the first of this execution environment."""
    global _requests_seen  # noqa: PLW0603 - an execution environment is one process that serves one request at a time
    _requests_seen += 1
    begin_invocation(request_id, is_cold_start=is_cold_start())


def is_cold_start() -> bool:
    """Return whether the present request is the first of this execution environment."""
    return _requests_seen == 1


def answer_call(event: HttpEvent) -> HttpAnswer | None:
    """Answer a prediction of any protocol; None if the request asks for none."""
    timings = Timings()
    try:
        found = find_call(event.method, event.path)
        return None if found is None else _answer(*found, event, timings)
    except LambentError as error:
        return refuse(error, request_id=event.request_id, target=timings.target)
    except Exception as error:  # noqa: BLE001 - the top: whatever it is, the caller gets an answer
        return break_down(error, request_id=event.request_id, target=timings.target)


def _answer(operation: Operation, choice: ModelChoice, event: HttpEvent, timings: Timings) -> HttpAnswer:
    sent = event.headers
    call = _call(operation, choice, event)
    if "prefer" in sent and is_later_wanted(sent["prefer"]):
        return _later().accept(call, event, sent.get("idempotency-key"))
    result = call_service().answer(call, timings, admit=lambda: check_scope(event, Scope.PREDICT))
    values = {REQUESTS: 1, PREDICTIONS: 1, PREDICT_LATENCY: round(sum(timings.steps_ms.values()), 3)}
    record("predicted", values, target=timings.target, **timings.rounded())
    if len(result.body) > predict_settings().max_answer_bytes:
        return _later().refer(result, event)
    return _whole(result, timings)


def _later() -> ModuleType:
    """Return what only few requests need; a cold start does without it."""
    from lambent.runtime import http_later

    return http_later


def _call(operation: Operation, choice: ModelChoice, event: HttpEvent) -> Call:
    sent = event.headers
    try:
        body = read_body(event, max_bytes=predict_settings().max_body_bytes)
    except PayloadTooLarge as error:
        raise _later().show_upload_door(error, operation, choice, event, sent.get("content-type", "")) from error
    headers = {name: sent[name] for name in CALL_HEADERS if name in sent}
    key = request_key_of(event) or sent.get("idempotency-key")
    return Call(operation, choice, body, headers, event.query, key)


def _whole(result: CallAnswer, timings: Timings) -> HttpAnswer:
    headers = {
        "Lambent-Model": str(result.model),
        "Lambent-Cold-Start": str(is_cold_start()).lower(),
        "Server-Timing": timings.header(),
        **result.headers,
    }
    return whole_body(result.body, content_type=result.content_type, headers=headers)
