"""What is told of jobs: lists, progress, results, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.other_answers import BATCH_JOB
from lambent_toolkit.openapi.parameters import headers, json_answer
from lambent_toolkit.openapi.route import Route
from lambent_toolkit.openapi.schema_parts import ref

JOBS = {
    "name": "Jobs",
    "description": "Large batches: items in S3, one request, one result file a shard. The tenant is never in a "
    "request: it is the API key's.",
}
_AT = "2026-11-27T08:00:00.000Z"
_ENTRY = {
    "id": "docs-1",
    "kind": "batch",
    "state": "PARTIAL",
    "model": samples.MODEL,
    "version": "1",
    "lane": "cpu",
    "total": 500,
    "done": 498,
    "failed": 2,
    "created_at": _AT,
    "updated_at": _AT,
}
_RUNNING = {
    **BATCH_JOB,
    "state": "RUNNING",
    "version": "1",
    "lane": "cpu",
    "total": 500,
    "done": 240,
    "failed": 1,
    "rate": 83.4,
    "eta_s": 3.106,
    "estimated_end": _AT,
    "shard_counts": {"waiting": 9, "running": 1, "finished": 10},
    "shards": [{"shard": 10, "state": "RUNNING", "done": 16, "failed": 0}],
    "why": "500 items are below the GPU lane's threshold",
}
_WAITING = {
    **BATCH_JOB,
    "state": "PLANNED",
    "version": "1",
    "lane": "gpu",
    "total": 50_000,
    "shard_counts": {"waiting": 500, "running": 0, "finished": 0},
    "waiting": {
        "code": "behind_jobs",
        "detail": "The job waits for its turn in the GPU lane: 2 jobs ahead of it.",
    },
}
_PART = {
    "shard": 0,
    "lines": 25,
    "size_bytes": 5_230,
    "sha256": "0" * 64,
    "content_type": "application/x-ndjson",
    "url": "https://data-bucket.s3.amazonaws.com/jobs/default/docs-1/part-00000.jsonl?X-Amz-Signature=…",
}
_LINE = '{"id": "i0", "model": "digits@1", "label": "7", "score": 0.998, "top": [{"label": "7", "score": 0.998}]}\n'
_FAILED = {
    "id": "i17",
    "line": 18,
    "error": "The image cannot be decoded to its end.",
    "code": "image_corrupt",
    "title": "Image cannot be decoded",
    "detail": "The image cannot be decoded to its end.",
    "field": None,
    "limit": None,
    "got": None,
    "retryable": False,
}
_AGAIN = (
    "A job that has not ended may have more of them later, of smaller shards too: begin again without a cursor then."
)


def job_reads() -> Iterator[Route]:
    """Yield the routes that read jobs."""
    yield _list()
    yield _show()
    yield _results()
    yield _errors()


def _list() -> Route:
    return Route(
        operation_id="list_jobs",
        method="get",
        path="/jobs",
        tag=JOBS["name"],
        summary="The tenant's jobs, the newest first",
        description="A page at a time: as long as there is a `next_cursor`, ask again with it as `cursor` and the same "
        "filters. A filter that passes over many jobs may give a page of few, or of none, with a `next_cursor`. A job "
        "of this second may be missing.",
        parameters=("jobState", "jobModel", "jobKind", "createdAfter", "limit", "cursor"),
        answers={200: json_answer("The jobs.", ref("JobPage"), {"jobs": [_ENTRY]})},
        errors=(errors.CursorInvalid, errors.RequestInvalid, errors.NameInvalid),
        samples=[samples.curl_json("get", "/jobs?state=RUNNING&limit=20")],
    )


def _show() -> Route:
    answer = json_answer("The job.", ref("JobView"), _RUNNING)
    answer["content"]["application/json"]["examples"]["waiting"] = {"value": _WAITING}
    return Route(
        operation_id="show_job",
        method="get",
        path="/jobs/{id}",
        parts={"id": "jobId"},
        tag=JOBS["name"],
        summary="Progress of a job, and why it is not running",
        description="Another tenant's id answers exactly as one that does not exist.",
        answers={200: answer},
        errors=(errors.JobNotFound,),
        samples=[samples.curl_json("get", "/jobs/docs-1")],
    )


def _results() -> Route:
    page = {"state": "SUCCEEDED", "expires_s": 900, "parts": [_PART]}
    answer = json_answer("Addresses of finished parts.", ref("ResultPage"), page)
    lines: dict[str, Any] = {"schema": {"type": "string"}, "examples": {"lines": {"value": _LINE}}}
    return Route(
        operation_id="job_results",
        method="get",
        path="/jobs/{id}/results",
        parts={"id": "jobId"},
        tag=JOBS["name"],
        summary="Results of a batch, while it runs and after",
        description="`Accept: application/json` (the default) gives the address of each finished part, good for 15 "
        f"minutes. {_AGAIN} `Accept: application/x-ndjson` gives the results themselves, in the order of the items, as "
        "many as fit; what follows is at `Link: …; rel=next`. While the job runs they end before the first shard that "
        "is not finished, and the same cursor gives more later. `limit` counts parts.",
        parameters=("limit", "cursor"),
        answers={
            200: {
                **answer,
                "headers": headers("Lambent-Job-State", "Lambent-Next-Cursor", "Link"),
                "content": {**answer["content"], "application/x-ndjson": lines},
            }
        },
        errors=(
            errors.JobNotFound,
            errors.ResultNotFound,
            errors.CursorInvalid,
            errors.NotAcceptable,
            errors.PayloadTooLarge,
        ),
        samples=[
            samples.curl_json("get", "/jobs/docs-1/results"),
            {
                **samples.curl_json("get", "/jobs/docs-1/results", None, "Accept: application/x-ndjson"),
                "label": "curl: lines",
            },
        ],
    )


def _errors() -> Route:
    page = {"state": "PARTIAL", "errors": [_FAILED]}
    return Route(
        operation_id="job_errors",
        method="get",
        path="/jobs/{id}/errors",
        parts={"id": "jobId"},
        tag=JOBS["name"],
        summary="Items of a batch that failed, with their lines in the input",
        description=f"In the order of the items. {_AGAIN}",
        parameters=("limit", "cursor"),
        answers={200: json_answer("The errors.", ref("ErrorPage"), page)},
        errors=(errors.JobNotFound, errors.ResultNotFound, errors.CursorInvalid, errors.PayloadTooLarge),
        samples=[samples.curl_json("get", "/jobs/docs-1/errors")],
    )
