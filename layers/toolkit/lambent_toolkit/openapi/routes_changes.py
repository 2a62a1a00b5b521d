"""What can be done to a job that was accepted: cancel, retry, another priority."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.error_answers import LATER_ERRORS
from lambent_toolkit.openapi.other_answers import CALL_JOB
from lambent_toolkit.openapi.parameters import headers, json_answer, json_content
from lambent_toolkit.openapi.route import Route
from lambent_toolkit.openapi.routes_job_reads import JOBS
from lambent_toolkit.openapi.schema_parts import ref

_JOB: dict[str, Any] = {**CALL_JOB, "id": "docs-1", "kind": "batch", "result": None}


def routes() -> Iterator[Route]:
    """Yield the routes that change a job."""
    yield Route(
        operation_id="cancel_job",
        method="delete",
        path="/jobs/{id}",
        parts={"id": "jobId"},
        tag=JOBS["name"],
        summary="Cancel a job",
        description="What has not ended stops; finished parts stay. Cancelling a cancelled job again is fine.",
        answers={200: json_answer("The job, CANCELLED.", ref("JobView"), {**_JOB, "state": "CANCELLED"})},
        errors=(errors.JobNotFound, errors.JobHasEnded, errors.ForbiddenAction),
        samples=[samples.curl_json("delete", "/jobs/docs-1")],
    )
    accepted = json_answer("Accepted; retrying again answers the same job.", ref("JobView"), _JOB)
    yield Route(
        operation_id="retry_job",
        method="post",
        path="/jobs/{id}/retry",
        parts={"id": "jobId"},
        tag=JOBS["name"],
        summary="Retry what failed",
        description="Submits a job of the items that have no result, on the version that the job was pinned to. It is "
        "named by the old one; what fails in it is retried by retrying it.",
        answers={202: {**accepted, "headers": headers("Location")}},
        errors=(
            errors.JobNotFound,
            errors.InProgress,
            errors.NothingFailed,
            errors.RequestInvalid,
            errors.JobIdReused,
            *LATER_ERRORS,
        ),
        samples=[samples.curl_json("post", "/jobs/docs-1/retry")],
    )
    yield Route(
        operation_id="prioritize_job",
        method="post",
        path="/jobs/{id}/priority",
        parts={"id": "jobId"},
        tag=JOBS["name"],
        summary="Change a job's priority",
        description="0 is the lowest, 9 the highest, 5 what a job has unless it asks. On the CPU lane the priority is "
        "the share of its concurrency that the job takes; it counts from the job's next shard on.",
        body={"required": True, "content": json_content(ref("PriorityRequest"), highest={"priority": 9})},
        answers={200: json_answer("The job.", ref("JobView"), _JOB)},
        errors=(
            errors.JsonInvalid,
            errors.JsonTooComplex,
            errors.RequestInvalid,
            errors.FieldNotAllowed,
            errors.MediaTypeUnsupported,
            errors.JobNotFound,
            errors.JobHasEnded,
            errors.PriorityFixed,
            errors.ForbiddenAction,
        ),
        samples=[samples.curl_json("post", "/jobs/docs-1/priority", {"priority": 9})],
    )
