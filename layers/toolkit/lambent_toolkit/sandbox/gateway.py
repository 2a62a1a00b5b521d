"""API Gateway's stand-in: an ASGI application between an HTTP server and the function pools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from lambent_toolkit.sandbox.gateway_errors import GatewayErrors
from lambent_toolkit.sandbox.gateway_events import (
    ApiIdentity,
    BinaryTypes,
    HttpRequest,
    HttpResponse,
    MalformedResponse,
    http_response,
    proxy_event,
)
from lambent_toolkit.sandbox.invocation import Outcome
from lambent_toolkit.sandbox.pool import FunctionPool
from lambent_toolkit.sandbox.routes import Match, Routes
from lambent_toolkit.sandbox.usage_plans import ApiKeys, UsageMeter

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_EVENT_BYTES = 6 * 1024 * 1024
BINARY_TYPES = "x-amazon-apigateway-binary-media-types"
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Abandoned(Exception):
    """The client went away before its request was complete."""


class Gateway:
    """Serves one REST API.

    Parameters
    ----------
    body : dict              OpenAPI body of the RestApi
    api_id, stage : str
    pools : Mapping          function name -> pool
    keys : ApiKeys
    timeout_s : float        API Gateway's own limit
    """

    def __init__(
        self,
        body: dict[str, Any],
        *,
        api_id: str,
        stage: str,
        pools: Mapping[str, FunctionPool],
        keys: ApiKeys,
        timeout_s: float = 29.0,
    ) -> None:
        self._routes = Routes(body)
        self._errors = GatewayErrors(body, stage)
        self._binary = BinaryTypes(body.get(BINARY_TYPES, []))
        self._api_id, self._stage = api_id, stage
        self._pools, self._keys = pools, keys
        self._meter = UsageMeter()
        self._timeout_s = timeout_s

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI); one that its client abandons within the body is forgotten, as on AWS."""
        try:
            request, is_too_large = await _read(scope, receive)
        except _Abandoned:
            return
        response = await self._answer(request, is_too_large)
        await _write(response, request, send)

    def unreadable(self) -> HttpResponse:
        """Return the answer to bytes that are no HTTP request, of which nothing is known."""
        nothing = HttpRequest(method="", raw_path="", query="", headers=[], body=b"", source_ip="")
        return self._errors.answer("DEFAULT_4XX", nothing)

    async def _answer(self, request: HttpRequest, is_too_large: bool) -> HttpResponse:
        request = self._below_stage(request)
        match = self._routes.find(request.method, request.raw_path)
        if match is None:
            return self._errors.answer("MISSING_AUTHENTICATION_TOKEN", request)
        identity, refusal = await self._identify(request, match)
        if refusal is None and is_too_large:
            refusal = "REQUEST_TOO_LARGE"
        if refusal is not None:
            return self._errors.answer(refusal, request)
        return await self._invoke(request, match, identity)

    def _below_stage(self, request: HttpRequest) -> HttpRequest:
        """Accept a path under the stage's name, as AWS's own address has it, beside one without, as a custom domain."""
        prefix = f"/{self._stage}"
        if request.raw_path == prefix or request.raw_path.startswith(f"{prefix}/"):
            return replace(request, raw_path=request.raw_path.removeprefix(prefix) or "/")
        return request

    async def _identify(self, request: HttpRequest, match: Match) -> tuple[ApiIdentity, str | None]:
        identity = ApiIdentity(self._api_id, self._stage)
        if not match.route.needs_key:
            return identity, None
        value = request.header("x-api-key")
        key = await self._keys.find(value) if value else None
        if key is None:
            return identity, "INVALID_API_KEY"
        return ApiIdentity(self._api_id, self._stage, value, key.key_id), self._meter.refuse(key, time.time())

    async def _invoke(self, request: HttpRequest, match: Match, identity: ApiIdentity) -> HttpResponse:
        event = orjson.dumps(proxy_event(request, match, identity, self._binary))
        if len(event) > MAX_EVENT_BYTES:
            return self._errors.answer("REQUEST_TOO_LARGE", request)
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await self._pools[match.route.function_name].invoke(event)
        except TimeoutError:
            return self._errors.answer("INTEGRATION_TIMEOUT", request)
        if result.outcome is Outcome.THROTTLED:
            return self._errors.answer("API_CONFIGURATION_ERROR", request)
        if not result.is_response or len(result.body) > MAX_EVENT_BYTES:
            return self._errors.answer("BAD_INTEGRATION_RESPONSE", request)
        try:
            return http_response(result.body, accept=request.header("accept"), binary=self._binary)
        except MalformedResponse as exc:
            self._pools[match.route.function_name].log.line(f"Malformed Lambda proxy response: {exc}")
            return self._errors.answer("BAD_INTEGRATION_RESPONSE", request)


async def _read(scope: dict[str, Any], receive: Receive) -> tuple[HttpRequest, bool]:
    """Read a request; the body stops at the limit."""
    headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]]
    source_ip, port = scope["client"][0] if scope["client"] else "127.0.0.1", scope["server"][1]
    headers += [("X-Forwarded-For", source_ip), ("X-Forwarded-Port", str(port)), ("X-Forwarded-Proto", "http")]
    body, is_too_large = await _read_body(receive)
    request = HttpRequest(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        source_ip=source_ip,
        protocol=f"HTTP/{scope['http_version']}",
    )
    return request, is_too_large


async def _read_body(receive: Receive) -> tuple[bytes, bool]:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Abandoned
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        # Past the limit the rest is read and dropped, so that the client can read the answer.
        if not message.get("more_body"):
            return (b"" if size > MAX_BODY_BYTES else b"".join(chunks)), size > MAX_BODY_BYTES


async def _write(response: HttpResponse, request: HttpRequest, send: Send) -> None:
    headers = [
        (key.lower().encode("latin-1"), value.encode("latin-1", errors="replace"))
        for key, value in response.headers
        if key.lower() not in HOP_HEADERS
    ]
    headers.append((b"x-amzn-requestid", request.request_id.encode()))
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})
