"""Jobs: submitted, shown, and the answers of calls that were accepted for later."""

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.contracts.batch_request import BatchSubmission, PriorityRequest
from lambent.contracts.lines import CONTENT_TYPE
from lambent.contracts.media_types import JSON, choose_media_type
from lambent.domain.caller import Scope
from lambent.domain.idempotency import HEADER
from lambent.domain.job import Job, JobKind
from lambent.runtime.callers import caller_of
from lambent.runtime.http import http_event, json_answer, refer_to_answer, whole_answer
from lambent.runtime.http_event import read_flag, read_json
from lambent.runtime.wiring_jobs import (
    cancel_job_service,
    list_jobs_service,
    quote_service,
    retry_job_service,
    set_priority_service,
    show_errors_service,
    show_job_service,
    show_parts_service,
    show_result_service,
    submit_service,
)
from lambent.services.show_job import view

router = Router()
_MAX_REQUEST_BYTES = 65_536
_MAX_PRIORITY_BYTES = 1_024
_VARY = {"Vary": "Accept"}
# Whoever may call may also ask for the answers of calls for later.
_CALLS = (Scope.PREDICT, Scope.JOBS)


@router.post("/jobs")
def submit() -> Response[bytes | str]:
    """Accept a batch, 202 once it is durable; or with ``?dry_run=true`` say what it would take, and accept nothing."""
    caller = caller_of(http_event(router.current_event))
    submission = read_json(
        http_event(router.current_event), BatchSubmission, max_bytes=_MAX_REQUEST_BYTES, what="batch request"
    )
    caller.require(Scope.JOBS)
    if read_flag(http_event(router.current_event), "dry_run"):
        return json_answer(msgspec.json.encode(quote_service().quote(caller.tenant, submission)))
    key = router.current_event.headers.get(HEADER)
    job = submit_service().submit(caller.tenant, submission, idempotency_key=key)
    return _accepted(job)


def _accepted(job: Job) -> Response[bytes | str]:
    address = http_event(router.current_event).address_of(f"/jobs/{job.job_id}")
    return json_answer(msgspec.json.encode(view(job)), status=202, headers={"Location": address})


@router.get("/jobs")
def jobs() -> Response[bytes | str]:
    """List the tenant's jobs, the newest first, a page at a time."""
    caller = caller_of(http_event(router.current_event), Scope.JOBS)
    query = router.current_event.query_string_parameters or {}
    return json_answer(msgspec.json.encode(list_jobs_service().page(caller.tenant, query)))


@router.get("/jobs/<job_id>")
def show(job_id: str) -> Response[bytes | str]:
    """One job with its progress."""
    caller = caller_of(http_event(router.current_event), *_CALLS)
    shown = show_job_service().show(caller.tenant, job_id)
    if shown.kind != JobKind.CALL:
        caller.require(Scope.JOBS)
    return json_answer(msgspec.json.encode(shown))


@router.get("/jobs/<job_id>/result")
def result(job_id: str) -> Response[bytes | str]:
    """Answer a call as the door would have answered it: its body, a link to it, or its error."""
    caller = caller_of(http_event(router.current_event), *_CALLS)
    shown = show_result_service().show(caller.tenant, job_id)
    if shown.reference is not None:
        return refer_to_answer(shown.reference)
    headers = {"Lambent-Model": shown.stored.model, **shown.stored.headers}
    return whole_answer(shown.body, content_type=shown.stored.content_type, headers=headers)


@router.delete("/jobs/<job_id>")
def cancel(job_id: str) -> Response[bytes | str]:
    """Stop a job; it keeps what it has."""
    caller = caller_of(http_event(router.current_event), Scope.JOBS)
    return json_answer(msgspec.json.encode(view(cancel_job_service().cancel(caller.tenant, job_id))))


@router.post("/jobs/<job_id>/retry")
def retry(job_id: str) -> Response[bytes | str]:
    """Accept a job of what failed in another; 202 once it is durable."""
    caller = caller_of(http_event(router.current_event), Scope.JOBS)
    job = retry_job_service().retry(caller.tenant, job_id)
    return _accepted(job)


@router.post("/jobs/<job_id>/priority")
def prioritize(job_id: str) -> Response[bytes | str]:
    """Give a job more or less of its lane."""
    caller = caller_of(http_event(router.current_event))
    asked = read_json(
        http_event(router.current_event), PriorityRequest, max_bytes=_MAX_PRIORITY_BYTES, what="priority request"
    )
    caller.require(Scope.JOBS)
    return json_answer(msgspec.json.encode(view(set_priority_service().set(caller.tenant, job_id, asked.priority))))


@router.get("/jobs/<job_id>/results")
def results(job_id: str) -> Response[bytes | str]:
    """Give a batch's finished parts: their addresses, or the results themselves as JSON Lines."""
    caller = caller_of(http_event(router.current_event), Scope.JOBS)
    query = router.current_event.query_string_parameters or {}
    accept = router.current_event.headers.get("accept")
    if choose_media_type(accept, (JSON, CONTENT_TYPE)) == JSON:
        page = show_parts_service().page(caller.tenant, job_id, limit=query.get("limit"), cursor=query.get("cursor"))
        return json_answer(msgspec.json.encode(page), headers=_VARY)
    lines = show_parts_service().lines(caller.tenant, job_id, cursor=query.get("cursor"))
    headers = {**_VARY, "Lambent-Job-State": lines.state}
    if lines.next_cursor is not None:
        # Relative to this address (RFC 3986), of which the gateway's stage is a part.
        headers |= {"Lambent-Next-Cursor": lines.next_cursor, "Link": f'<?cursor={lines.next_cursor}>; rel="next"'}
    return whole_answer(lines.body, content_type=CONTENT_TYPE, headers=headers)


@router.get("/jobs/<job_id>/errors")
def errors(job_id: str) -> Response[bytes | str]:
    """Name the items of a batch that failed, each with its line in the input and why."""
    caller = caller_of(http_event(router.current_event), Scope.JOBS)
    query = router.current_event.query_string_parameters or {}
    page = show_errors_service().page(caller.tenant, job_id, limit=query.get("limit"), cursor=query.get("cursor"))
    return json_answer(msgspec.json.encode(page))
