"""Errors as HTTP answers: the only place that knows statuses."""

from __future__ import annotations

from typing import Any

from lambent import errors
from lambent.errors import LambentError

# What a 401 must name; API Gateway's own 401 in template.yaml says the same.
CHALLENGE = 'ApiKey realm="lambent", header="x-api-key"'
_RETRY_AFTER_S = "1"

STATUS_BY_ERROR: dict[type[LambentError], int] = {
    errors.AuthInvalid: 401,
    errors.ForbiddenAction: 403,
    errors.JsonInvalid: 400,
    errors.JsonTooComplex: 400,
    errors.NameInvalid: 400,
    errors.RequestMalformed: 400,
    errors.ContentCodingInvalid: 400,
    errors.CursorInvalid: 400,
    errors.NotAcceptable: 406,
    errors.PayloadTooLarge: 413,
    errors.ImageTooLargeDecoded: 413,
    errors.MediaTypeUnsupported: 415,
    errors.ImageFormatUnsupported: 415,
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unavailable: 503,
    errors.MemoryExhausted: 503,
    errors.ModelNotReady: 503,
    # The request is fine, the version is not: the Open Inference Protocol's "model not ready".
    errors.BrokenArtifact: 503,
    errors.Misconfigured: 500,
    errors.LambentError: 500,
}


def status_of(error: LambentError) -> int:
    """Return the HTTP status of an error: that of its nearest listed ancestor."""
    return next(STATUS_BY_ERROR[ancestor] for ancestor in type(error).__mro__ if ancestor in STATUS_BY_ERROR)


def headers_of(error: LambentError) -> dict[str, str]:
    """Return the header fields that an error's status asks for (RFC 9110, 10.2.3 and 11.6.1)."""
    headers = {"Retry-After": _RETRY_AFTER_S} if error.is_retryable else {}
    return headers | ({"WWW-Authenticate": CHALLENGE} if isinstance(error, errors.AuthInvalid) else {})


def problem(error: LambentError, *, request_id: str) -> dict[str, Any]:
    """Return the body of an error answer (RFC 9457 fields, and ``error`` for inference protocol clients)."""
    return {
        **error.to_dict(),
        "type": f"urn:lambent:error:{error.code}",
        "status": status_of(error),
        "request_id": request_id,
    }
