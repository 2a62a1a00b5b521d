"""What a prediction's door does besides answering at once: later, by reference, or by showing the upload door."""

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256

import msgspec
import pybase64

from lambent.contracts.calls import StoredCall
from lambent.contracts.decoding import decode_json
from lambent.contracts.uploads import NextRequest, UploadRequest
from lambent.domain.call import CANARY_HEADER, Call, CallAnswer, Operation
from lambent.domain.caller import Scope
from lambent.domain.job import Job
from lambent.domain.model import ModelChoice, ModelRef, Target
from lambent.domain.preferences import RESPOND_ASYNC
from lambent.errors import LambentError, PayloadTooLarge
from lambent.runtime.callers import caller_of
from lambent.runtime.http_answers import HttpAnswer, json_body, reference_to
from lambent.runtime.http_event import HttpEvent, request_key_of
from lambent.runtime.observability import JOBS_ACCEPTED, REQUESTS, record
from lambent.runtime.wiring import predict_settings
from lambent.runtime.wiring_jobs import answer_later_service, grant_upload_service, refer_answer_service
from lambent.services.show_job import view

_RETRY_AFTER_S = "1"
# Bodies of requests, of which PreprocessFunction could not make an item.
_OF_SEVERAL_ITEMS = ("multipart/", "text/csv", "application/json")


def accept(call: Call, event: HttpEvent, idempotency_key: str | None) -> HttpAnswer:
    """Accept a call for later; 202 once it is durable."""
    caller = caller_of(event, Scope.PREDICT)
    job = answer_later_service().accept(caller.tenant, call, idempotency_key=idempotency_key)
    return accepted(job, event, headers={"Preference-Applied": RESPOND_ASYNC, "Retry-After": _RETRY_AFTER_S})


def accepted(job: Job, event: HttpEvent, *, headers: Mapping[str, str]) -> HttpAnswer:
    """Log, count and answer that a call has become a job."""
    stored = decode_json(job.request, StoredCall, what="stored call")
    target = Target(ModelRef(stored.model, stored.version), stored.is_canary)
    record("accepted", {REQUESTS: 1, JOBS_ACCEPTED: 1}, target=target, tenant=job.tenant, job_id=job.job_id)
    headers = {
        "Location": event.address_of(f"/jobs/{job.job_id}"),
        "Lambent-Model": str(target.ref),
        **headers,
    }
    if target.is_canary is not None:
        headers[CANARY_HEADER] = str(target.is_canary).lower()
    return json_body(msgspec.json.encode(view(job)), status=202, headers=headers)


def refer(answer: CallAnswer, event: HttpEvent) -> HttpAnswer:
    """Store an answer that is too large to be returned, and answer where it lies."""
    caller = caller_of(event, Scope.PREDICT)
    headers = {"Lambent-Model": str(answer.model), **answer.headers}
    reference = refer_answer_service().store(
        caller.tenant, answer.body, content_type=answer.content_type, headers=headers
    )
    return reference_to(reference)


def show_upload_door(
    error: PayloadTooLarge, operation: Operation, choice: ModelChoice, event: HttpEvent, content_type: str
) -> PayloadTooLarge:
    """Return the error with the request to send next and, for a known caller, a grant to upload this very body.

    Only a single raw item can take the upload door; tensors, forms, rows and compressed bodies, which it would not
    read, are told to come in smaller requests.
    """
    body = _raw_body(event)
    is_item = operation is Operation.MEDIA_PREDICT and _is_raw_item(event, content_type)
    if not is_item or len(body) > predict_settings().max_upload_bytes:
        return error
    wanted = {
        "model": choice.name,
        "version": choice.version,
        "label": choice.label,
        "content_type": content_type.partition(";")[0].strip(),
        "sha256": sha256(body).hexdigest(),
        "size_bytes": len(body),
    }
    named = {name: value for name, value in wanted.items() if value is not None}
    try:
        request = msgspec.convert(named, UploadRequest)
    except msgspec.ValidationError:
        # Without a usable Content-Type there is nothing to grant; the size is what is wrong first.
        return error
    error.upload = {"request": msgspec.to_builtins(NextRequest(method="POST", path="/uploads", body=named))}
    # Whatever speaks against a grant, the size is what is wrong first: it is told when the upload is asked for.
    with suppress(LambentError):
        if event.api_key_id is not None:
            caller = caller_of(event, Scope.PREDICT)
            granted = grant_upload_service().grant(caller.tenant, request, request_key=request_key_of(event))
            error.upload["grant"] = msgspec.to_builtins(granted)
    return error


def _is_raw_item(event: HttpEvent, content_type: str) -> bool:
    return "content-encoding" not in event.headers and not content_type.strip().lower().startswith(_OF_SEVERAL_ITEMS)


def _raw_body(event: HttpEvent) -> bytes:
    return bytes(pybase64.b64decode(event.text)) if event.is_base64 else event.text.encode()
