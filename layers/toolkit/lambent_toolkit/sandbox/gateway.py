"""API Gateway's stand-in: an ASGI application between an HTTP server and the function pools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from lambent_toolkit.sandbox.gateway_errors import GatewayErrors
from lambent_toolkit.sandbox.gateway_events import ApiIdentity, MalformedResponse, http_response, proxy_event
from lambent_toolkit.sandbox.http_messages import BinaryTypes, HttpRequest, HttpResponse
from lambent_toolkit.sandbox.invocation import InvocationResult, Outcome
from lambent_toolkit.sandbox.pool import FunctionPool
from lambent_toolkit.sandbox.routes import Match, Routes
from lambent_toolkit.sandbox.stage_settings import Answered, MethodThrottles, read_access_log
from lambent_toolkit.sandbox.usage_plans import ApiKeys, UsageMeter

MAX_BODY_BYTES = 10 * 1024 * 1024
# "Total combined size of all header values": docs.aws.amazon.com/apigateway/latest/developerguide,
# api-gateway-execution-service-limits-table. What AWS answers beyond is not told; here, the template's DEFAULT_4XX.
MAX_HEADER_BYTES = 10_240
MAX_EVENT_BYTES = 6 * 1024 * 1024
BINARY_TYPES = "x-amazon-apigateway-binary-media-types"
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Abandoned(Exception):
    """The client went away before its request was complete."""


@dataclass
class _Exchange:
    """What is found out about one request on its way, for the access log."""

    resource: str = ""
    key_id: str | None = None
    error: str | None = None
    integration_ms: float | None = None


class Gateway:
    """Serves one stage of one REST API, below the stage's name.

    Parameters
    ----------
    body : dict              OpenAPI body of the RestApi
    api_id, stage : str
    pools : Mapping          function name -> pool
    keys : ApiKeys
    settings : Mapping       properties of the stage: MethodSettings, AccessLogSetting
    logs : Path | None       folder of the access log
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
        settings: Mapping[str, Any] | None = None,
        logs: Path | None = None,
        timeout_s: float = 29.0,
    ) -> None:
        self._routes = Routes(body)
        self._errors = GatewayErrors(body, stage)
        self._binary = BinaryTypes(body.get(BINARY_TYPES, []))
        self._api_id, self._stage = api_id, stage
        self._pools, self._keys = pools, keys
        self._meter = UsageMeter()
        self._throttles = MethodThrottles((settings or {}).get("MethodSettings", []))
        self._access_log = read_access_log(settings or {}, logs)
        self._timeout_s = timeout_s

    @property
    def base_path(self) -> str:
        """What stands before every path of the API."""
        return f"/{self._stage}"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI); one that its client abandons within the body is forgotten, as on AWS."""
        try:
            request, is_too_large = await _read(scope, receive)
        except _Abandoned:
            return
        if sum(len(value) for _, value in scope["headers"]) > MAX_HEADER_BYTES:
            await _write(self._errors.answer("DEFAULT_4XX", request), request, send)
            return
        await _write(await self._answer(request, is_too_large), request, send)

    def unreadable(self) -> HttpResponse:
        """Return the answer to bytes that are no HTTP request, of which nothing is known."""
        nothing = HttpRequest(method="", raw_path="", query="", headers=[], body=b"", source_ip="")
        return self._errors.answer("DEFAULT_4XX", nothing)

    async def _answer(self, request: HttpRequest, is_too_large: bool) -> HttpResponse:
        full_path = request.raw_path
        if full_path != self.base_path and not full_path.startswith(f"{self.base_path}/"):
            return self._errors.outside()
        request = replace(request, raw_path=full_path.removeprefix(self.base_path) or "/")
        exchange, begun_s = _Exchange(), time.monotonic()
        response = await self._answer_below(request, exchange, is_too_large)
        if self._access_log is not None:
            self._access_log.write(
                Answered(request, response, full_path=full_path, latency_ms=_ms_since(begun_s), **vars(exchange))
            )
        return response

    async def _answer_below(self, request: HttpRequest, exchange: _Exchange, is_too_large: bool) -> HttpResponse:
        match = self._routes.find(request.method, request.raw_path)
        if match is None:
            return self._refuse("MISSING_AUTHENTICATION_TOKEN", request, exchange)
        exchange.resource = match.route.resource
        identity, refusal = await self._identify(request, match)
        exchange.key_id = identity.api_key_id
        if refusal is None and not self._throttles.take(match.route.resource, request.method, time.time()):
            refusal = "THROTTLED"
        if refusal is None and is_too_large:
            refusal = "REQUEST_TOO_LARGE"
        if refusal is not None:
            return self._refuse(refusal, request, exchange)
        if match.route.mock is not None:
            mocked = match.route.mock.answer(request, self._binary)
            return mocked or self._refuse("API_CONFIGURATION_ERROR", request, exchange)
        return await self._invoke(request, match, identity, exchange)

    def _refuse(self, kind: str, request: HttpRequest, exchange: _Exchange) -> HttpResponse:
        exchange.error = kind
        return self._errors.answer(kind, request)

    async def _identify(self, request: HttpRequest, match: Match) -> tuple[ApiIdentity, str | None]:
        identity = ApiIdentity(self._api_id, self._stage)
        if not match.route.needs_key:
            return identity, None
        value = request.header("x-api-key")
        key = await self._keys.find(value) if value else None
        if key is None:
            return identity, "INVALID_API_KEY"
        return ApiIdentity(self._api_id, self._stage, value, key.key_id), self._meter.refuse(key, time.time())

    async def _invoke(
        self, request: HttpRequest, match: Match, identity: ApiIdentity, exchange: _Exchange
    ) -> HttpResponse:
        event = orjson.dumps(proxy_event(request, match, identity, self._binary))
        if len(event) > MAX_EVENT_BYTES:
            return self._refuse("REQUEST_TOO_LARGE", request, exchange)
        pool, begun_s = self._pools[match.route.function_name], time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await pool.invoke(event)
        except TimeoutError:
            return self._refuse("INTEGRATION_TIMEOUT", request, exchange)
        exchange.integration_ms = _ms_since(begun_s)
        if (failure := _failure(result)) is not None:
            return self._refuse(failure, request, exchange)
        try:
            return http_response(result.body, accept=request.header("accept"), binary=self._binary)
        except MalformedResponse as exc:
            pool.log.line(f"Malformed Lambda proxy response: {exc}")
            return self._refuse("BAD_INTEGRATION_RESPONSE", request, exchange)


def _failure(result: InvocationResult) -> str | None:
    """Return the gateway's response type for an invocation that has no answer."""
    if result.outcome is Outcome.THROTTLED:
        # 500 and "Internal server error", not 429: repost.aws/knowledge-center/api-gateway-internal-server-error
        return "API_CONFIGURATION_ERROR"
    return None if result.is_response and len(result.body) <= MAX_EVENT_BYTES else "BAD_INTEGRATION_RESPONSE"


def _ms_since(begun_s: float) -> float:
    return (time.monotonic() - begun_s) * 1000


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
