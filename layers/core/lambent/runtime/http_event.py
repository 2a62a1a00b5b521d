"""What the doors read of an API Gateway proxy event (REST, payload version 1.0).

Powertools' data class reads the same, but importing it imports every other event of Powertools, and each of its
properties makes objects: too much for the one function whose own time counts in tenths of a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

import pybase64

from lambent.contracts.decoding import decode_json
from lambent.domain.rollout import REQUEST_KEY_HEADER, check_request_key
from lambent.errors import MediaTypeUnsupported, PayloadTooLarge, RequestInvalid

T = TypeVar("T")

REQUEST_KEY = REQUEST_KEY_HEADER.lower()
_PARAMETER = re.compile(r"\{(\w+)\+?\}")
_JSON = "application/json"
_FLAGS = ("true", "false")
_BYTES = ("image/", "application/octet-stream")
_TEXT = (str, type(None))


class HttpEvent:
    """One HTTP request.

    Attributes
    ----------
    method, path     the path below the API's address, decoded; see `own_path`
    headers          by lower-case name; the event has the names as the client wrote them
    query            the last value of each parameter
    text, is_base64  the body, or "" without one
    api_key_id       of the key that API Gateway has checked; None under ``sam local``, which knows no keys
    request_id       API Gateway's
    """

    __slots__ = ("_full_path", "api_key_id", "headers", "is_base64", "method", "path", "query", "request_id", "text")

    def __init__(self, event: Mapping[str, Any]) -> None:
        context = event.get("requestContext") or {}
        self.method: str = event["httpMethod"]
        self.path = own_path(event)
        self._full_path: str = context.get("path") or ""
        self.headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        self.query: dict[str, str] = event.get("queryStringParameters") or {}
        self.text: str = event.get("body") or ""
        self.is_base64 = bool(event.get("isBase64Encoded"))
        self.api_key_id: str | None = (context.get("identity") or {}).get("apiKeyId")
        self.request_id: str = context.get("requestId") or ""

    def address_of(self, path: str) -> str:
        """Return a path of this API as a reference that the client can follow from here (RFC 3986, 4.2).

        What stands before the API's own paths is the stage at AWS's own address and the base path at a custom domain.
        The event tells it in the whole path that was asked for; a host without either, as ``sam local``'s, has nothing
        there.
        """
        for full_path in (self._full_path, unquote(self._full_path)):
            trimmed, own = full_path.rstrip("/"), self.path.rstrip("/")
            if trimmed.endswith(own):
                return trimmed.removesuffix(own) + path
        return path

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case; empty if there is none."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()


def is_request(event: Any) -> bool:
    """Return whether an event is a request as a REST API's proxy integration sends it, with fields of its types."""
    if not isinstance(event, dict) or "methodArn" in event:  # which is what an authorizer gets
        return False
    context, values = event.get("requestContext") or {}, event.get("pathParameters")
    identity = context.get("identity") or {} if isinstance(context, dict) else None
    if not isinstance(identity, dict):
        return False
    return (
        isinstance(event.get("httpMethod"), str)
        and isinstance(event.get("resource"), str)
        and _are_texts(event.get("headers"))
        and _are_texts(event.get("queryStringParameters"))
        and _are_texts(values)
        and (not values or values.keys() >= {*_PARAMETER.findall(event["resource"])})
        and isinstance(event.get("body"), _TEXT)
        and isinstance(event.get("path", ""), str)
        and isinstance(context.get("path"), _TEXT)
        and isinstance(context.get("requestId"), _TEXT)
        and isinstance(identity.get("apiKeyId"), _TEXT)
    )


def _are_texts(fields: Any) -> bool:
    return fields is None or (isinstance(fields, dict) and {*map(type, fields.values())} <= {str})


def own_path(event: Mapping[str, Any]) -> str:
    """Return the path that a request asks for below the API's address: the resource with its parameters' values.

    The event's own ``path`` will not do: behind a custom domain it begins with the base path, and it is not decoded
    (CodeGenieApp/serverless-express#216, localstack/localstack#12296).
    """
    resource: str = event["resource"]
    values = event.get("pathParameters")
    path = _PARAMETER.sub(lambda found: str(values[found[1]]), resource) if values else resource
    # The gateway routes an address with a slash at its end as the one without; to our routes it is another.
    return f"{path}/" if event.get("path", "").endswith("/") and not path.endswith("/") else path


def read_body(event: HttpEvent, *, max_bytes: int) -> bytes:
    """Return the request's body as sent.

    Raises
    ------
    PayloadTooLarge        more than ``max_bytes``
    MediaTypeUnsupported   bytes that came as text, which damages them, or text that is marked as base64 but is not
    """
    try:
        body = pybase64.b64decode(event.text, validate=True) if event.is_base64 else event.text.encode()
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
    if body and not event.is_base64 and event.media_type.startswith(_BYTES):
        raise MediaTypeUnsupported(
            "The body's bytes came as text, which damages them: whoever passes the request on must treat its "
            "Content-Type as binary.",
            field="Content-Type",
            got=event.media_type[:64],
        )
    return body


def request_key_of(event: HttpEvent) -> str | None:
    """Return the key that the caller wants to be routed by; raises RequestInvalid for one that is not allowed."""
    key = event.headers.get(REQUEST_KEY)
    return None if key is None else check_request_key(key)


def read_flag(event: HttpEvent, name: str) -> bool:
    """Return a parameter of the address that is true or false, and false unless it is there; raises RequestInvalid."""
    text = event.query.get(name, "false")
    if text not in _FLAGS:
        raise RequestInvalid(f"{name} is true or false.", field=name, limit=list(_FLAGS), got=text[:64])
    return text == "true"


def read_json(event: HttpEvent, type_: type[T], *, max_bytes: int, what: str) -> T:
    """Return the request's JSON body as ``type_``; raises as `read_body` and `decode_json`, in this order.

    Raises
    ------
    MediaTypeUnsupported   another Content-Type than application/json, or none
    """
    body = read_body(event, max_bytes=max_bytes)
    if event.media_type != _JSON:
        raise MediaTypeUnsupported(
            f"Set Content-Type to {_JSON}.", field="Content-Type", limit=[_JSON], got=event.media_type[:64]
        )
    return decode_json(body, type_, what=what)
