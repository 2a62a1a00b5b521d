"""Parameters and headers that several routes share, by the names under which components has them."""

from __future__ import annotations

from typing import Any

from lambent.contracts.paging import MAX_PAGE
from lambent.domain.call import Operation
from lambent.domain.idempotency import job_id_of
from lambent.domain.job import JobKind
from lambent.domain.job_states import JobState
from lambent.domain.rollout import REQUEST_KEY_HEADER

_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}
_JOB_ID = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"}
_UPLOAD_ID = {"type": "string", "pattern": "^up-[0-9a-f]{32}$"}
_TEXT = {"type": "string"}
# An id of each kind, for the examples.
CALL_KEY = "docs-call"
CALL_ID = job_id_of(Operation.MEDIA_PREDICT, CALL_KEY)
UPLOAD_ID = "up-00000000000000000000000000000000"


def _in_path(name: str, schema: dict[str, Any], description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema,
        "description": description,
        "example": example,
    }


def _in_query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": schema, "description": description}


PARAMETERS: dict[str, Any] = {
    "model": _in_path("model", _NAME, "Name of the model.", "digits"),
    "version": _in_path("version", {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}, "Number of a version.", "1"),
    "label": _in_path("label", _NAME, "A label, which points to a version.", "live"),
    "versionOrLabel": _in_path("versionOrLabel", _NAME, "Number of a version, or a label.", "1"),
    "jobId": _in_path("id", _JOB_ID, "The job's id.", "docs-1"),
    "callId": _in_path("id", _JOB_ID, "The id of a call's job.", CALL_ID),
    "uploadId": _in_path("id", _UPLOAD_ID, "The upload's id.", UPLOAD_ID),
    "limit": {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE},
        "description": "Most entries on a page.",
    },
    "cursor": {
        "name": "cursor",
        "in": "query",
        "schema": _TEXT,
        "description": "`next_cursor` of the page before.",
    },
    "jobState": _in_query("state", {"type": "string", "enum": [*JobState]}, "Only jobs in this state."),
    "jobKind": _in_query("kind", {"type": "string", "enum": [*JobKind]}, "Only batches, or only calls for later."),
    "jobModel": _in_query("model", _NAME, "Only jobs of this model."),
    "createdAfter": _in_query(
        "created_after", {"type": "string", "format": "date-time"}, "Only jobs that were created after this time."
    ),
    "Prefer": _header(
        "Prefer",
        _TEXT,
        "RFC 7240. `respond-async`: accept now (202), answer later under `/jobs/{id}/result`. `wait=10`: wait so many "
        "seconds and no longer, and refuse (422) rather than make a job of what takes more. Without either, what takes "
        "more than 26 seconds becomes a job (202), and what was computed by then counts.",
    ),
    "dryRun": {
        "name": "dry_run",
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "Answer what the batch would take and cost, and accept nothing.",
    },
    "IdempotencyKey": _header(
        "Idempotency-Key",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "Makes the same request twice one job; with a job to come only.",
    ),
    "RequestKey": _header(
        REQUEST_KEY_HEADER,
        {"type": "string", "pattern": "^[!-~]{1,256}$"},
        "While the label has a canary: requests with one key, such as a user's, get one version at every door. Without "
        "it the `Idempotency-Key` decides, or else the content itself.",
    ),
    "top_k": {
        "name": "top_k",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 1},
        "description": "How many of the best classes to tell.",
    },
    "ContentEncoding": _header(
        "Content-Encoding",
        {"type": "string", "enum": ["gzip", "deflate", "identity"]},
        "How the body is compressed; the limit counts decompressed bytes too.",
    ),
    "InferenceHeaderContentLength": _header(
        "Inference-Header-Content-Length",
        {"type": "integer", "minimum": 0},
        "Bytes of JSON before the binary tensors; says that there are some.",
    ),
}
HEADERS: dict[str, Any] = {
    "x-amzn-RequestId": {"schema": _TEXT, "description": "Names the request in the logs."},
    "WWW-Authenticate": {"schema": _TEXT, "description": "The header that carries the key, which the gateway misses."},
    "x-amzn-Remapped-WWW-Authenticate": {
        "schema": _TEXT,
        "description": "The same of a key that no tenant has: API Gateway gives a function's field this name.",
    },
    "Retry-After": {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds to wait.", "required": True},
    "Lambent-Model": {
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}@[0-9]+$"},
        "description": "name@version that answered.",
        "required": True,
    },
    "Lambent-Canary": {
        "schema": {"type": "string", "enum": ["true", "false"]},
        "description": "Whether the canary answered; only while the label has one.",
    },
    "Lambent-Cold-Start": {
        "schema": {"type": "string", "enum": ["true", "false"]},
        "description": "Whether this was the first request of its execution environment.",
        "required": True,
    },
    "Server-Timing": {
        "schema": _TEXT,
        "description": "Milliseconds of each step: decode, resolve, load, preprocess, infer, postprocess, encode.",
        "required": True,
    },
    "Inference-Header-Content-Length": {
        "schema": {"type": "integer", "minimum": 0},
        "description": "Bytes of JSON before the binary tensors, if there are some.",
    },
    "Preference-Applied": {"schema": {"type": "string", "enum": ["respond-async"]}, "description": "RFC 7240."},
    "Content-Encoding": {"schema": {"type": "string", "enum": ["gzip", "deflate"]}, "description": "Of large answers."},
    "Cache-Control": {"schema": {"type": "string", "enum": ["no-store"]}, "description": "For the caller alone."},
    "Lambent-Job-State": {"schema": _TEXT, "description": "The job's state at this moment, with lines."},
    "Lambent-Next-Cursor": {
        "schema": _TEXT,
        "description": "`cursor` of what follows; left out after the last result of a job that has ended.",
    },
    "Link": {"schema": _TEXT, "description": "The address of what follows, `rel=next` (RFC 8288)."},
    "Location": {
        "schema": {"type": "string", "format": "uri-reference"},
        "description": "Where to look for the outcome.",
        "required": True,
    },
}
# What every prediction takes beside its own parameters.
DATA_PLANE_PARAMETERS = ("ContentEncoding", "Prefer", "IdempotencyKey", "RequestKey")
DATA_PLANE_HEADERS = ("Lambent-Model", "Lambent-Canary", "Lambent-Cold-Start", "Server-Timing", "Content-Encoding")


def headers(*names: str) -> dict[str, Any]:
    """Return references to headers of an answer; every answer has the request's id too."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("x-amzn-RequestId", *names)}


def json_content(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    """Return the content of a JSON body with its named examples."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": schema, **({"examples": named} if named else {})}}


def json_answer(description: str, schema: dict[str, Any], example: Any, *more_headers: str) -> dict[str, Any]:
    """Return a JSON answer with one example."""
    return {
        "description": description,
        "headers": headers(*more_headers),
        "content": json_content(schema, answer=example),
    }
