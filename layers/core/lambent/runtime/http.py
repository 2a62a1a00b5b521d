"""API Gateway events into bytes and headers, and answers back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson
import pybase64
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from lambent.contracts.answers import AnswerReference
from lambent.contracts.decoding import decode_json
from lambent.errors import LambentError, MediaTypeUnsupported, PayloadTooLarge, RouteNotFound
from lambent.runtime.http_errors import headers_of, problem, status_of
from lambent.runtime.observability import log_refusal, logger

T = TypeVar("T")

# Exactly this: KServe's client does not accept a charset suffix.
JSON = "application/json"
# Inside the JSON that a function returns, a quotation mark takes two bytes; three bytes of base64 always take four.
_MAX_TEXT_BYTES = 3_000_000
_BYTES = ("image/", "application/octet-stream")
_OF_THE_BODY = frozenset({"Content-Encoding", "Inference-Header-Content-Length"})


def make_resolver() -> APIGatewayRestResolver:
    """Return a resolver that answers every error in Lambent's one shape."""
    app = APIGatewayRestResolver(serializer=_as_it_is)

    @app.exception_handler(LambentError)  # type: ignore[untyped-decorator]
    def refuse(error: LambentError) -> Response[bytes]:
        log_refusal("refused", error)
        return _error_answer(error, app.current_event)

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def break_down(error: Exception) -> Response[bytes]:
        logger.exception("failed", exc_info=error)
        surprise = LambentError("Something went wrong inside; the request id helps to find it.")
        return _error_answer(surprise, app.current_event)

    @app.not_found
    def no_route(_: Exception) -> Response[bytes]:
        return _error_answer(RouteNotFound("There is no such path and method here."), app.current_event)

    return app


def _as_it_is(body: Any) -> Any:
    """Keep the resolver from encoding JSON that a route has encoded, and perhaps compressed, already."""
    return body


def json_answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return a JSON answer; ``body`` is encoded unless it is bytes already."""
    encoded = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(status, JSON, encoded.decode(), headers=dict(headers or {}))  # type: ignore[arg-type]


def whole_answer(body: bytes, *, content_type: str, headers: Mapping[str, str]) -> Response[bytes | str]:
    """Return 200 with a body: text as it is, other bytes as such, which are base64 to API Gateway."""
    is_text = content_type.startswith(("application/json", "text/")) and "Content-Encoding" not in headers
    as_text = is_text and len(body) <= _MAX_TEXT_BYTES
    return Response(200, content_type, body.decode() if as_text else body, headers=dict(headers))


def refer_to_answer(reference: AnswerReference) -> Response[bytes]:
    """Return 303 See Other (RFC 9110, 15.4.4): the answer to the request is what a GET of the address gives."""
    headers = {**reference.headers, "Location": reference.url}
    # They describe the answer, not this body.
    own = {name: value for name, value in headers.items() if name not in _OF_THE_BODY}
    return json_answer(msgspec.json.encode(reference), status=303, headers=own)


def read_body(event: APIGatewayProxyEvent, *, max_bytes: int) -> bytes:
    """Return the request's body as sent.

    Raises
    ------
    PayloadTooLarge        more than ``max_bytes``
    MediaTypeUnsupported   bytes that came as text, which damages them, or text that is marked as base64 but is not
    """
    text = event.body or ""
    try:
        body = pybase64.b64decode(text, validate=True) if event.is_base64_encoded else text.encode()
    except ValueError as exc:
        raise MediaTypeUnsupported("The body is marked as base64 or as text, but it is not.", field="body") from exc
    if len(body) > max_bytes:
        raise PayloadTooLarge(
            f"The body has {len(body)} bytes, this door takes at most {max_bytes}. Send fewer items a request, or use "
            "the upload or batch door.",
            field="body",
            limit=max_bytes,
            got=len(body),
        )
    if body and not event.is_base64_encoded and _media_type(event).startswith(_BYTES):
        raise MediaTypeUnsupported(
            "The body's bytes came as text, which damages them: whoever passes the request on must treat its "
            "Content-Type as binary.",
            field="Content-Type",
            got=_media_type(event)[:64],
        )
    return body


def read_json(event: APIGatewayProxyEvent, type_: type[T], *, max_bytes: int, what: str) -> T:
    """Return the request's JSON body as ``type_``; raises as `read_body` and `decode_json`, in this order.

    Raises
    ------
    MediaTypeUnsupported   another Content-Type than application/json, or none
    """
    body = read_body(event, max_bytes=max_bytes)
    if _media_type(event) != JSON:
        raise MediaTypeUnsupported(
            f"Set Content-Type to {JSON}.", field="Content-Type", limit=[JSON], got=_media_type(event)[:64]
        )
    return decode_json(body, type_, what=what)


def _media_type(event: APIGatewayProxyEvent) -> str:
    """Return the Content-Type without its parameters, in lower case; empty if there is none."""
    return (event.headers.get("content-type") or "").partition(";")[0].strip().lower()


def _error_answer(error: LambentError, event: APIGatewayProxyEvent) -> Response[bytes]:
    body = problem(error, request_id=event.request_context.request_id or "")
    return json_answer(body, status=status_of(error), headers=headers_of(error))
