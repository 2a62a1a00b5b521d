"""From an API Gateway event to a call, and from the call's answer back to HTTP."""

from types import ModuleType
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from call_routes import find_call

from lambent.domain.call import CALL_HEADERS, Call, CallAnswer, Operation
from lambent.domain.caller import Scope
from lambent.domain.model import ModelChoice
from lambent.domain.preferences import is_later_wanted, read_wait_s
from lambent.errors import LambentError, PayloadTooLarge
from lambent.runtime.callers import check_scope
from lambent.runtime.held_work import Door
from lambent.runtime.http_answers import HttpAnswer, break_down, refuse, whole_body
from lambent.runtime.http_event import HttpEvent, read_body, request_key_of
from lambent.runtime.observability import PREDICT_LATENCY, PREDICTIONS, REQUESTS, begin_invocation, record
from lambent.runtime.preload import await_preload
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


def answer_call(event: HttpEvent, door: Door) -> HttpAnswer | None:
    """Answer a prediction of any protocol, by a job if it takes too long; None if the request asks for none."""
    timings = Timings()
    try:
        found = find_call(event.method, event.path)
        return None if found is None else _answer(_call(*found, event), event, timings, door)
    except LambentError as error:
        return refuse(error, request_id=event.request_id, target=timings.target)
    except Exception as error:  # noqa: BLE001 - the top: whatever it is, the caller gets an answer
        return break_down(error, request_id=event.request_id, target=timings.target)


def _answer(call: Call, event: HttpEvent, timings: Timings, door: Door) -> HttpAnswer:
    prefer = event.headers.get("prefer")
    if prefer is not None and is_later_wanted(prefer):
        return _later().accept(call, event, event.headers.get("idempotency-key"))
    piece = door.work.begin(lambda: _predict(call, event, timings))
    asked_s = None if prefer is None else read_wait_s(prefer)
    wait_s = door.wait_s if asked_s is None else min(asked_s, door.wait_s)
    if piece.wait(wait_s):
        return _told(piece.value(), event, timings)
    late = _late()
    span = late.Span(wait_s, door.left_s())
    if asked_s is not None:
        raise late.refuse_to_wait(piece, span)
    return late.answer_by_job(piece, call, event, timings.target, span)


def _predict(call: Call, event: HttpEvent, timings: Timings) -> CallAnswer:
    await_preload()
    return call_service().answer(call, timings, admit=lambda: check_scope(event, Scope.PREDICT))


def _told(result: CallAnswer, event: HttpEvent, timings: Timings) -> HttpAnswer:
    values = {REQUESTS: 1, PREDICTIONS: 1, PREDICT_LATENCY: round(sum(timings.steps_ms.values()), 3)}
    record("predicted", values, target=timings.target, **timings.rounded())
    if len(result.body) > predict_settings().max_answer_bytes:
        return _later().refer(result, event)
    return _whole(result, timings)


def answer_other(event: dict[str, Any], context: LambdaContext, door: Door) -> dict[str, Any]:
    """Answer what is no prediction, as API Gateway takes it."""
    from other_routes import resolver

    def resolve() -> dict[str, Any]:
        await_preload()
        return resolver().resolve(event, context)

    piece = door.work.begin(resolve)
    if piece.wait(door.wait_s):
        return piece.value()
    late = _late()
    busy = late.be_busy(piece, late.Span(door.wait_s, door.left_s()))
    return refuse(busy, request_id=HttpEvent(event).request_id).to_proxy()


def _later() -> ModuleType:
    """Return what only few requests need; a cold start does without it."""
    from lambent.runtime import http_later

    return http_later


def _late() -> ModuleType:
    """Return what only slow models need."""
    from lambent.runtime import late_answers

    return late_answers


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
