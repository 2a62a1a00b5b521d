"""REST proxy events (payload version 1.0) from HTTP requests, and HTTP answers from what a function returned."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pybase64

from lambent_toolkit.sandbox.gateway_headers import of_answer, of_request
from lambent_toolkit.sandbox.http_messages import BinaryTypes, HttpRequest, HttpResponse
from lambent_toolkit.sandbox.options import ACCOUNT_ID
from lambent_toolkit.sandbox.routes import Match

STATUSES = range(100, 600)
RESPONSE_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}


class MalformedResponse(Exception):
    """A function's answer is not a proxy response."""


@dataclass(frozen=True)
class ApiIdentity:
    """What the requestContext says about the API and the caller's key."""

    api_id: str
    stage: str
    api_key: str | None = None
    api_key_id: str | None = None


@lru_cache(maxsize=512)
def title_case(name: str) -> str:
    """Return x-request-id as X-Request-Id, the spelling that API Gateway's front gives to functions."""
    return "-".join(part.capitalize() for part in name.split("-"))


def proxy_event(request: HttpRequest, match: Match, identity: ApiIdentity, binary: BinaryTypes) -> dict[str, Any]:
    """Build the event that a Lambda proxy integration gets."""
    single, multi = _collect((title_case(key), value) for key, value in of_request(request.headers))
    query, multi_query = _collect(parse_qsl(request.query, keep_blank_values=True))
    is_binary = bool(request.body) and binary.match(request.header("content-type"))
    return {
        "resource": match.route.resource,
        # Not decoded, as on AWS; path parameters are.
        "path": request.raw_path,
        "httpMethod": request.method,
        "headers": single,
        "multiValueHeaders": multi,
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": multi_query or None,
        "pathParameters": match.path_parameters or None,
        "stageVariables": None,
        "requestContext": _request_context(request, match, identity, single),
        "body": _event_body(request.body, is_binary),
        "isBase64Encoded": is_binary,
    }


def _collect(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    single: dict[str, str] = {}
    multi: dict[str, list[str]] = {}
    for key, value in pairs:
        single[key] = value
        multi.setdefault(key, []).append(value)
    return single, multi


def _event_body(body: bytes, is_binary: bool) -> str | None:
    if not body:
        return None
    return pybase64.b64encode_as_string(body) if is_binary else body.decode("utf-8", errors="replace")


def _request_context(
    request: HttpRequest, match: Match, identity: ApiIdentity, headers: dict[str, str]
) -> dict[str, Any]:
    now_s = time.time()
    return {
        "accountId": ACCOUNT_ID,
        "apiId": identity.api_id,
        "resourceId": "local",
        "resourcePath": match.route.resource,
        "httpMethod": request.method,
        "path": f"/{identity.stage}{request.raw_path}",
        "protocol": request.protocol,
        "stage": identity.stage,
        "domainName": headers.get("Host", "localhost"),
        "domainPrefix": identity.api_id,
        "requestId": request.request_id,
        "extendedRequestId": request.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now_s)),
        "requestTimeEpoch": int(now_s * 1000),
        "identity": {
            "accountId": None,
            "apiKey": identity.api_key,
            "apiKeyId": identity.api_key_id,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "sourceIp": request.source_ip,
            "user": None,
            "userAgent": headers.get("User-Agent", ""),
            "userArn": None,
        },
    }


def http_response(answer: bytes, *, accept: str | None, binary: BinaryTypes) -> HttpResponse:
    """Turn a function's JSON answer into an HTTP answer.

    Parameters
    ----------
    answer : bytes      JSON that the function returned
    accept : str | None the request's Accept header, whose first type decides about decoding, as on AWS
    binary : BinaryTypes

    Raises
    ------
    MalformedResponse   not a proxy response object
    """
    response = _parse_response(answer)
    headers = [(key, str(value)) for key, value in (response.get("headers") or {}).items()]
    given = {key.lower() for key, _ in headers}
    for key, values in (response.get("multiValueHeaders") or {}).items():
        # A name in both maps: API Gateway merges and drops repeated pairs.
        headers += [(key, str(value)) for value in values if (key, str(value)) not in headers]
        given.add(key.lower())
    headers = of_answer(headers)
    if "content-type" not in given:
        headers.append(("Content-Type", "application/json"))
    body = response.get("body") or ""
    first_type = (accept or "*/*").partition(",")[0]
    if response.get("isBase64Encoded") and binary.match(first_type):
        return HttpResponse(int(response["statusCode"]), headers, _decode(body))
    return HttpResponse(int(response["statusCode"]), headers, body.encode())


def _parse_response(answer: bytes) -> dict[str, Any]:
    try:
        response = orjson.loads(answer)
    except ValueError as exc:
        raise MalformedResponse("not JSON") from exc
    if not isinstance(response, dict) or set(response) - RESPONSE_KEYS:
        raise MalformedResponse("not an object of a proxy response")
    status = str(response.get("statusCode", ""))
    if not status.isdigit() or int(status) not in STATUSES:
        raise MalformedResponse("no valid statusCode")
    if not isinstance(response.get("body"), str | None):
        raise MalformedResponse("body is not text")
    for name in ("headers", "multiValueHeaders"):
        if not isinstance(response.get(name), dict | None):
            raise MalformedResponse(f"{name} is not an object")
    return response


def _decode(body: str) -> bytes:
    try:
        return pybase64.b64decode(body, validate=True)
    except ValueError as exc:
        raise MalformedResponse("body is not base64") from exc
