"""Answers over HTTP, whoever routes them: by Powertools' resolver, or straight from the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
import pybase64

from lambent.contracts.answers import AnswerReference
from lambent.domain.model import Target
from lambent.errors import LambentError
from lambent.runtime.http_errors import headers_of, problem, status_of
from lambent.runtime.observability import log_refusal, log_surprise

# Exactly this: KServe's client does not accept a charset suffix.
JSON = "application/json"
# Inside the JSON that a function returns, a quotation mark takes two bytes; three bytes of base64 always take four.
_MAX_TEXT_BYTES = 3_000_000
_OF_THE_BODY = frozenset({"Content-Encoding", "Inference-Header-Content-Length"})


@dataclass(frozen=True)
class HttpAnswer:
    """An answer; a body of bytes is base64 to API Gateway."""

    status: int
    content_type: str
    body: bytes | str
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_proxy(self) -> dict[str, Any]:
        """Return what a Lambda proxy integration returns (REST, payload version 1.0)."""
        is_base64 = isinstance(self.body, bytes)
        return {
            "statusCode": self.status,
            "multiValueHeaders": {
                "Content-Type": [self.content_type],
                **{name: [value] for name, value in self.headers.items()},
            },
            "body": pybase64.b64encode_as_string(self.body) if isinstance(self.body, bytes) else self.body,
            "isBase64Encoded": is_base64,
        }


def json_body(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """Return a JSON answer; ``body`` is encoded unless it is bytes already."""
    encoded = body if isinstance(body, bytes) else orjson.dumps(body)
    return HttpAnswer(status, JSON, encoded.decode(), headers or {})


def whole_body(body: bytes, *, content_type: str, headers: Mapping[str, str]) -> HttpAnswer:
    """Return 200 with a body: text as it is, other bytes as such."""
    is_text = content_type.startswith(("application/json", "text/")) and "Content-Encoding" not in headers
    as_text = is_text and len(body) <= _MAX_TEXT_BYTES
    return HttpAnswer(200, content_type, body.decode() if as_text else body, headers)


def reference_to(reference: AnswerReference) -> HttpAnswer:
    """Return 303 See Other (RFC 9110, 15.4.4): the answer to the request is what a GET of the address gives."""
    headers = {**reference.headers, "Location": reference.url}
    # They describe the answer, not this body.
    own = {name: value for name, value in headers.items() if name not in _OF_THE_BODY}
    return json_body(msgspec.json.encode(reference), status=303, headers=own)


def refuse(error: LambentError, *, request_id: str, target: Target | None = None) -> HttpAnswer:
    """Log, count and answer an error that was raised on purpose; ``target`` is the version that was to answer."""
    log_refusal("refused", error, target=target)
    return error_body(error, request_id=request_id)


def break_down(error: Exception, *, request_id: str, target: Target | None = None) -> HttpAnswer:
    """Log and count an error that nobody expected, and answer without a word of it."""
    log_surprise("failed", error, target=target)
    surprise = LambentError("Something went wrong inside; the request id helps to find it.")
    return error_body(surprise, request_id=request_id)


def error_body(error: LambentError, *, request_id: str) -> HttpAnswer:
    """Return an error in Lambent's one shape."""
    return json_body(problem(error, request_id=request_id), status=status_of(error), headers=headers_of(error))
