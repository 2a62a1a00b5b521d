"""Uploads: a grant to send one object to the data bucket, and what became of it."""

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.contracts.uploads import InputRequest, UploadRequest
from lambent.domain.caller import Scope
from lambent.runtime.callers import caller_of
from lambent.runtime.http import http_event, json_answer
from lambent.runtime.http_event import read_json, request_key_of
from lambent.runtime.wiring_jobs import grant_input_service, grant_upload_service, show_upload_service

router = Router()
_MAX_REQUEST_BYTES = 8_192


@router.post("/uploads")
def grant() -> Response[bytes | str]:
    """Grant one upload: a form to send to the data bucket."""
    caller = caller_of(http_event(router.current_event))
    request = read_json(
        http_event(router.current_event), UploadRequest, max_bytes=_MAX_REQUEST_BYTES, what="upload request"
    )
    caller.require(Scope.PREDICT)
    request_key = request_key_of(http_event(router.current_event))
    granted = grant_upload_service().grant(caller.tenant, request, request_key=request_key)
    address = http_event(router.current_event).address_of(granted.then.path)
    return json_answer(msgspec.json.encode(granted), status=201, headers={"Location": address})


@router.post("/inputs")
def grant_input() -> Response[bytes | str]:
    """Grant the upload of a batch's input: a form to send to the data bucket."""
    caller = caller_of(http_event(router.current_event))
    request = read_json(
        http_event(router.current_event), InputRequest, max_bytes=_MAX_REQUEST_BYTES, what="input request"
    )
    caller.require(Scope.JOBS)
    return json_answer(msgspec.json.encode(grant_input_service().grant(caller.tenant, request)), status=201)


@router.get("/uploads/<upload_id>")
def show(upload_id: str) -> Response[bytes | str]:
    """One upload, with its result or error once there is one."""
    caller = caller_of(http_event(router.current_event), Scope.PREDICT)
    return json_answer(msgspec.json.encode(show_upload_service().show(caller.tenant, upload_id)))
