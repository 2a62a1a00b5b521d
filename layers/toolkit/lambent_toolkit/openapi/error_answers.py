"""What can go wrong, by status: every code that HTTP can answer, each with an example."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from lambent import errors
from lambent.errors import LambentError
from lambent.runtime.http_errors import problem, status_of

REQUEST_ID = "6f9d4c1e-3a52-4f0b-9b3e-0c8d1f2a7b65"
_EXAMPLES: tuple[LambentError, ...] = (
    errors.AuthInvalid("The x-api-key header is missing or not valid for this API.", field="x-api-key"),
    errors.ForbiddenAction(
        "This API key may not do that; it needs the scope 'operator'.", field="x-api-key", limit="operator"
    ),
    errors.JsonInvalid("The request body is not valid JSON: unexpected end of data. Send one UTF-8 JSON value."),
    errors.JsonTooComplex("The request body is nested deeper than 64 levels.", field="body", limit=64, got=65),
    errors.NameInvalid(
        "The model name is not allowed: use 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit.",
        field="model",
        limit="1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit",
    ),
    errors.RequestInvalid(
        "The request body does not match its schema at input: Object missing required field `manifest_uri`.",
        field="input",
    ),
    errors.RequestMalformed("Malformed request: name one version or one label, not both.", field="path"),
    errors.FieldNotAllowed("This request has no field 'tenant'; remove it.", field="tenant"),
    errors.PayloadTooLarge(
        "The body has 5000000 bytes, this door takes at most 4650000. Use the upload or batch door.",
        field="body",
        limit=4_650_000,
        got=5_000_000,
    ),
    errors.ContentCodingInvalid(
        "The body is announced as Content-Encoding gzip, but it ends too early. "
        "Compress it again, or leave the header out.",
        field="Content-Encoding",
    ),
    errors.NotAcceptable(
        "This answers application/json and text/csv; ask for one of them in Accept.",
        field="Accept",
        limit=["application/json", "text/csv"],
    ),
    errors.MediaTypeUnsupported(
        "Set Content-Type to one of: image/jpeg, image/png, image/webp.",
        field="Content-Type",
        limit=["image/jpeg", "image/png", "image/webp"],
        got="text/html",
    ),
    errors.TensorNameUnknown(
        "This model takes the inputs ['image']; send each exactly once.", field="inputs", limit=["image"]
    ),
    errors.TensorShapeMismatch(
        "inputs[0] must have shape [-1, 28, 28, 1] (-1 is free), got [1, 8, 8, 1].",
        field="inputs[0].shape",
        limit=[-1, 28, 28, 1],
        got=[1, 8, 8, 1],
    ),
    errors.TensorDtypeMismatch("inputs[0] must be FP32.", field="inputs[0].datatype", limit="FP32", got="INT64"),
    errors.OutputNotJson(
        "Output scores holds 3 numbers that are NaN or infinite; ask for it as a binary tensor: "
        "parameters.binary_data: true.",
        field="outputs.scores",
    ),
    errors.ColumnInvalid("Row 0 has no column 'alcohol'; every row needs it.", field="rows[0].alcohol"),
    errors.TextInvalid("The text is empty.", field="text"),
    errors.ImageFormatUnsupported(
        "Not an image that this model takes: send JPEG, PNG or WebP.", field="body", limit=["JPEG", "PNG", "WEBP"]
    ),
    errors.ImageCorrupt("The PNG image ends before its last pixel; send the whole file.", field="body"),
    errors.ImageTooLargeDecoded(
        "The image has 100000000 pixels, this model takes at most 16777216.",
        field="body",
        limit=16_777_216,
        got=100_000_000,
    ),
    errors.CursorInvalid("The cursor is not one that this list gave; begin again without one.", field="cursor"),
    errors.UrlRefused(
        "The manifest must lie in this stack's data bucket under inputs/{tenant}/.", field="input.manifest_uri"
    ),
    errors.ManifestInvalid("The manifest does not exist.", field="input.manifest_uri"),
    errors.LaneUnavailable(
        "The gpu lane cannot run this batch: the version has no model.keras. Ask for lane auto.",
        field="lane",
        got="gpu",
    ),
    errors.IdempotencyMismatch(
        "This Idempotency-Key came with a different request at 2026-11-23T21:00:00Z, which is job docs-1. Repeat that "
        "request unchanged, or choose a new key.",
        field="Idempotency-Key",
        got={"first_used_at": "2026-11-23T21:00:00Z", "job_id": "docs-1"},
    ),
    errors.UploadKeyInvalid("Names of uploads do not end in .error.", field="name"),
    errors.SourceEmpty("The body is empty; send the file's bytes.", field="body"),
    errors.JobIdReused("This job id was used for a different request; choose a new id.", field="id"),
    errors.DeadlineExceeded(
        "The deadline has passed; choose one that lies ahead, or leave it out.",
        field="deadline",
        limit="after 2026-11-23T21:00:00.000Z",
        got="2026-11-22T21:00:00.000Z",
    ),
    errors.NothingFailed("Every item of this job has a result; there is nothing to retry.", field="id"),
    errors.ProcessingCrashed(
        "The process that worked on this input died of SIGFPE. It is not tried again: change the input, or use a "
        "version of the model that survives it.",
        got="died of SIGFPE",
    ),
    errors.RouteNotFound("This API has no such route or method."),
    errors.ModelNotFound("There is no such model. Near names: digits.", field="model", limit=["digits"]),
    errors.CardNotFound(
        "digits@1 was published without a model card. Put a card.md into its folder and publish that as the next "
        "version; `lambent show digits@1` draws one from the contract alone."
    ),
    errors.JobNotFound("There is no such job.", field="id"),
    errors.UploadNotFound("There is no such upload.", field="id"),
    errors.ResultNotFound("The answer of this call has expired.", field="id"),
    errors.JobHasEnded("The job has ended as SUCCEEDED.", field="state", got="SUCCEEDED"),
    errors.PriorityFixed(
        "The priority of a call, or of a job that the GPU lane has taken, cannot be changed; cancel the job and submit "
        "it again.",
        field="priority",
    ),
    errors.InProgress("The call is RUNNING; ask again.", field="id", got="RUNNING"),
    errors.ProcessingGaveUp(
        "It was given out 5 times, and no attempt came to an end: the last one met this: The data store did not "
        "answer. Its message is kept for the operator; the same request may succeed later.",
        limit=5,
    ),
    errors.Unavailable("A dependency did not answer; try again."),
    errors.ModelNotReady("This model was unloaded by an operator; it is not served now.", field="model"),
    errors.ModelIntegrityFailed("A file of this version is not the one that was published."),
    errors.ModelSignatureInvalid(
        "digits@3 is signed by the key 0123456789ab, which is not one that this stack takes.",
        limit=["ba9876543210"],
        got="0123456789ab",
    ),
    errors.ModelFormatRefused("The version's file is not a TFLite flat buffer."),
    errors.ModelContractMismatch("The version's tensors are not those of its contract."),
    errors.ModelOperatorUnsupported("The version needs an operator that this interpreter does not have."),
    errors.ModelLoadFailed("The interpreter refused the version's file."),
    errors.ProcessingGaveUp("Every attempt broke off before it had an outcome. Send it again."),
    errors.Misconfigured("The service is not set up correctly; the request id helps its operator."),
    LambentError("Something went wrong inside; the request id helps to find it."),
)
_EXAMPLE_BY_CODE = {example.code: example for example in _EXAMPLES}
_CHALLENGE = {
    name: {"$ref": f"#/components/headers/{name}"} for name in ("WWW-Authenticate", "x-amzn-Remapped-WWW-Authenticate")
}
_RETRY = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
# Of a 503 not every cause goes by itself; those that do have the header too.
_WITH_A_PAUSE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)

# What reading a model may end in, whatever the protocol.
MODEL_ERRORS: tuple[type[LambentError], ...] = (
    errors.NameInvalid,
    errors.ModelNotFound,
    errors.ModelNotReady,
    errors.ModelIntegrityFailed,
    errors.ModelSignatureInvalid,
    errors.ModelFormatRefused,
    errors.ModelContractMismatch,
    errors.ModelOperatorUnsupported,
    errors.ModelLoadFailed,
)
# What asking for an answer later may end in.
LATER_ERRORS: tuple[type[LambentError], ...] = (errors.IdempotencyMismatch, errors.InProgress)
# Of a prediction, which is answered later too if it takes too long, unless its client says how long it waits.
SLOW_ERRORS: tuple[type[LambentError], ...] = (*LATER_ERRORS, errors.DeadlineExceeded)
_EVERY_ROUTE: tuple[type[LambentError], ...] = (LambentError, errors.Misconfigured, errors.Unavailable)
_EVERY_KEYED_ROUTE: tuple[type[LambentError], ...] = (errors.AuthInvalid, errors.ForbiddenAction)
# The gateway's own, which no class of ours raises: code -> status, title, detail, whether a repetition may help.
RATE_LIMITED = {
    "error": "Too many requests a second; wait and try again.",
    "code": "rate_limited",
    "title": "Too Many Requests",
    "detail": "Too many requests a second; wait and try again.",
    "field": None,
    "limit": None,
    "got": None,
    "retryable": True,
    "type": "urn:lambent:error:rate_limited",
    "status": HTTPStatus.TOO_MANY_REQUESTS.value,
    "request_id": REQUEST_ID,
}


def error_examples() -> dict[str, Any]:
    """Return components.examples: one answer of every code."""
    bodies = {code: problem(error, request_id=REQUEST_ID) for code, error in _EXAMPLE_BY_CODE.items()}
    bodies["rate_limited"] = RATE_LIMITED
    return {f"error_{code}": {"summary": str(body["title"]), "value": body} for code, body in sorted(bodies.items())}


def error_responses(kinds: Iterable[type[LambentError]], *, is_open: bool, has_body: bool) -> dict[int, Any]:
    """Return status -> OpenAPI response for what a route may refuse with.

    Parameters
    ----------
    kinds       the route's own
    is_open     whether it needs no key
    has_body    whether it takes one, which may be too large
    """
    found = {*kinds, *_EVERY_ROUTE}
    found |= {*_EVERY_KEYED_ROUTE} if not is_open else set()
    found |= {errors.PayloadTooLarge} if has_body else set()
    codes: dict[int, list[str]] = {HTTPStatus.TOO_MANY_REQUESTS: ["rate_limited"]}
    for kind in found:
        codes.setdefault(status_of(_EXAMPLE_BY_CODE[kind.code]), []).append(kind.code)
    # What API Gateway says when a function ends without an answer or cannot be reached, or does not answer in time.
    codes[HTTPStatus.BAD_GATEWAY] = [LambentError.code, errors.Unavailable.code]
    codes[HTTPStatus.GATEWAY_TIMEOUT] = [errors.DeadlineExceeded.code]
    return {int(status): _response(int(status), sorted(group)) for status, group in codes.items()}


def _response(status: int, codes: list[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {"x-amzn-RequestId": {"$ref": "#/components/headers/x-amzn-RequestId"}}
    headers |= _CHALLENGE if status == HTTPStatus.UNAUTHORIZED else {}
    headers |= _RETRY if status in _WITH_A_PAUSE else {}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": headers,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: _example(code, status) for code in codes},
            }
        },
    }


def _example(code: str, status: int) -> dict[str, Any]:
    if code in _EXAMPLE_BY_CODE and status != status_of(_EXAMPLE_BY_CODE[code]):
        # The gateway says the same code with a status of its own.
        return {"value": {**problem(_EXAMPLE_BY_CODE[code], request_id=REQUEST_ID), "status": status}}
    return {"$ref": f"#/components/examples/error_{code}"}
