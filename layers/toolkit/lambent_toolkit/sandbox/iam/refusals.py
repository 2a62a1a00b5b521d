"""Refusals as AWS words them, in the wire format of each protocol."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lambent_toolkit.sandbox.iam.caller import Environ

SHORT_TEXT, BYTE = 24, 256


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused.

    Parameters
    ----------
    kind : str        a name of `NAMES`
    message : str
    """

    kind: str
    message: str


@dataclass(frozen=True)
class WireAnswer:
    """An answer, ready for WSGI."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


DENIED, UNKNOWN_KEY, BAD_TOKEN, UNJUDGED = "denied", "unknown key", "bad token", "unjudged"
# kind -> (name in JSON, its status, name in queries, its status, name in S3, its status)
NAMES = {
    DENIED: ("AccessDeniedException", 400, "AccessDenied", 403, "AccessDenied", 403),
    UNKNOWN_KEY: ("UnrecognizedClientException", 400, "InvalidClientTokenId", 403, "InvalidAccessKeyId", 403),
    BAD_TOKEN: ("UnrecognizedClientException", 400, "InvalidClientTokenId", 403, "InvalidToken", 400),
    # No service of AWS says this: 501, since SDKs try other 5xx again.
    UNJUDGED: ("NotImplemented", 501, "NotImplemented", 501, "NotImplemented", 501),
}
REASONS = {400: "Bad Request", 403: "Forbidden", 501: "Not Implemented"}
REST_JSON = ("lambda", "batch", "xray", "apigateway")
QUERY_NAMESPACES = {
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "cloudformation": "http://cloudformation.amazonaws.com/doc/2010-05-15/",
}


def not_authorized(arn: str, action: str, resource: str, reason: str) -> Refusal:
    """Return AWS's sentence about a right that is missing."""
    service = action.partition(":")[0]
    shown = {"s3": f'"{resource}"'}.get(service, resource)
    spoken = {"sqs": action.lower(), "sns": action.replace("sns:", "SNS:")}.get(service, action)
    text = f"User: {arn} is not authorized to perform: {spoken} on resource: {shown} {reason}"
    return Refusal(DENIED, text.replace(f"the {action} action", f"the {spoken} action"))


def answer(refusal: Refusal, service: str, environ: Environ) -> WireAnswer:
    """Return a refusal as a service sends it."""
    in_json, json_status, in_query, query_status, in_s3, s3_status = NAMES[refusal.kind]
    request_id = str(uuid.uuid4())
    if service == "s3":
        return _s3(in_s3, s3_status, refusal.message, request_id, is_head=environ.get("REQUEST_METHOD") == "HEAD")
    if "HTTP_SMITHY_PROTOCOL" in environ:
        return _cbor(in_query, query_status, refusal.message, request_id)
    if "HTTP_X_AMZ_TARGET" in environ:
        return _json(service, (in_json, json_status), (in_query, query_status), refusal.message, request_id)
    if service in REST_JSON:
        status = query_status
        headers = [("x-amzn-errortype", in_json), ("x-amzn-requestid", request_id)]
        body = json.dumps({"Message" if service == "lambda" else "message": refusal.message}).encode()
        return WireAnswer(_line(status), [("Content-Type", "application/json"), *headers], body)
    name = "AuthorizationError" if service == "sns" and refusal.kind == DENIED else in_query
    return _query(service, name, query_status, refusal.message, request_id)


def _line(status: int) -> str:
    return f"{status} {REASONS[status]}"


def _s3(name: str, status: int, message: str, request_id: str, *, is_head: bool) -> WireAnswer:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{name}</Code><Message>{escape(message)}</Message>'
        f"<RequestId>{request_id}</RequestId><HostId>local</HostId></Error>"
    ).encode()
    headers = [("Content-Type", "application/xml"), ("x-amz-request-id", request_id)]
    return WireAnswer(_line(status), headers, b"" if is_head else body)


def _json(
    service: str, in_json: tuple[str, int], in_query: tuple[str, int], message: str, request_id: str
) -> WireAnswer:
    name, status = in_json
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-RequestId", request_id)]
    if service in ("sqs", "monitoring"):  # which SDKs still know by their codes of the query protocol
        code, status = in_query
        headers.append(("x-amzn-query-error", f"{code};Sender"))
    body = {"__type": f"com.amazon.coral.service#{name}", "message": message}
    if service == "dynamodb":
        body["Message"] = body.pop("message")
    return WireAnswer(_line(status), headers, json.dumps(body).encode())


def _query(service: str, name: str, status: int, message: str, request_id: str) -> WireAnswer:
    namespace = f' xmlns="{QUERY_NAMESPACES[service]}"' if service in QUERY_NAMESPACES else ""
    body = (
        f"<ErrorResponse{namespace}><Error><Type>Sender</Type><Code>{name}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return WireAnswer(_line(status), [("Content-Type", "text/xml")], body.encode())


def _cbor(name: str, status: int, message: str, request_id: str) -> WireAnswer:
    """Return a map of two texts in CBOR (RFC 8949), which CloudWatch speaks."""
    body = b"\xa2" + b"".join(map(_cbor_text, ("__type", name, "message", message)))
    headers = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
    return WireAnswer(_line(status), [*headers, ("x-amzn-RequestId", request_id)], body)


def _cbor_text(text: str) -> bytes:
    data = text.encode()
    size = len(data)
    if size < SHORT_TEXT:
        return bytes([0x60 + size]) + data
    return (bytes([0x78, size]) if size < BYTE else b"\x79" + size.to_bytes(2, "big")) + data
