"""JobsFunction: jobs and registry reads over HTTP; never imports numpy."""

from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import BatchRequest
from lambent.domain.caller import Scope
from lambent.runtime.callers import caller_of
from lambent.runtime.http import json_answer, make_resolver, read_body
from lambent.runtime.observability import REQUESTS, count, logger, metrics
from lambent.runtime.wiring import describe_service, jobs_settings, show_job_service, submit_service
from lambent.services.show_job import view

app = make_resolver()
_MAX_REQUEST_BYTES = 65_536


@app.post("/jobs")
def submit() -> Response[bytes]:
    """Accept a batch; 202 once it is durable."""
    tenant = caller_of(app.current_event, scope=Scope.JOBS).tenant
    body = read_body(app.current_event, max_bytes=_MAX_REQUEST_BYTES)
    job = submit_service().submit(tenant, decode_json(body, BatchRequest, what="batch request"))
    return json_answer(msgspec.json.encode(view(job)), status=202, headers={"Location": f"/jobs/{job.job_id}"})


@app.get("/jobs/<job_id>")
def show(job_id: str) -> Response[bytes]:
    """One job with its progress."""
    tenant = caller_of(app.current_event).tenant
    return json_answer(msgspec.json.encode(show_job_service().show(tenant, job_id)))


@app.get("/models")
def models() -> Response[bytes]:
    """All models."""
    caller_of(app.current_event)
    return json_answer({"models": describe_service(jobs_settings().table_name).models()})


@app.get("/models/<model>")
def model(model: str) -> Response[bytes]:
    """Versions and labels of a model."""
    caller_of(app.current_event)
    return json_answer(describe_service(jobs_settings().table_name).model(model))


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    count(REQUESTS)
    return app.resolve(event, context)
