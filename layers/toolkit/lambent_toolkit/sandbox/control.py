"""The supervisor's own door: what the storage process hands over. An ASGI application on the loopback address."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambent_toolkit.sandbox.async_invoke import AsyncInvoker
from lambent_toolkit.sandbox.batch_api import BatchApi, BatchClientError
from lambent_toolkit.sandbox.batch_engine import BatchEngine
from lambent_toolkit.sandbox.batch_logs import NoSuchStream, get_log_events
from lambent_toolkit.sandbox.errors import SandboxError
from lambent_toolkit.sandbox.gateway import Receive, Send
from lambent_toolkit.sandbox.invocation import Outcome
from lambent_toolkit.sandbox.lineage import TRACE_HEADER, Lineage
from lambent_toolkit.sandbox.pool import FunctionPool

Headers = dict[str, str]
Answer = tuple[int, bytes, Headers]
_REFUSALS = {
    Outcome.THROTTLED: (429, "TooManyRequestsException"),
    Outcome.RECURSIVE: (400, "RecursiveInvocationException"),
}
NOT_READY: Answer = (503, b'{"message": "the stack is still starting"}', {})


class Control:
    """Routes `/batch/{call}`, `/logs/events`, `/invoke/{function}`, `/deliver`, `/lose-host/{job}`, `/stack/{name}`.

    Parameters
    ----------
    logs : Path   folder of all logs
    follow : called with the name of a stack whose resources are other ones; raises if it cannot be followed
    """

    def __init__(self, logs: Path, follow: Callable[[str], Awaitable[None]]) -> None:
        self._logs, self._follow = logs, follow
        self._pools: Mapping[str, FunctionPool] = {}
        self._batch: BatchApi | None = None
        self._engine: BatchEngine | None = None
        self._invoker: AsyncInvoker | None = None

    def open(
        self, *, pools: Mapping[str, FunctionPool], batch: BatchApi, engine: BatchEngine, invoker: AsyncInvoker
    ) -> None:
        """Start to answer; before, everything is refused."""
        self._pools, self._batch, self._engine, self._invoker = pools, batch, engine, invoker

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        status, answer, extra = await self._answer(scope["path"], body, headers)
        raw = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        raw += [(key.encode(), value.encode()) for key, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, path: str, body: bytes, headers: Headers) -> Answer:
        _, verb, *rest = path.split("/")
        if verb == "stack":
            return await self._follow_stack(rest[0])
        if self._batch is None or self._invoker is None or self._engine is None:
            return NOT_READY
        if verb in ("batch", "logs", "lose-host"):
            return await self._of_batch(self._batch, self._engine, verb, rest[0], body)
        if verb == "invoke":
            return await self._invoke(self._invoker, rest[0], body or b"{}", headers)
        if verb == "deliver":
            self._invoker.deliver(json.loads(body))
            return 202, b"{}", {}
        return 404, b"{}", {}

    async def _follow_stack(self, name: str) -> Answer:
        try:
            await self._follow(name)
        except (SandboxError, BotoCoreError, ClientError) as exc:
            return 500, str(exc).encode(), {}
        return 200, b"{}", {}

    async def _of_batch(self, batch: BatchApi, engine: BatchEngine, verb: str, name: str, body: bytes) -> Answer:
        if verb == "batch":
            return await _batch(batch, name, body)
        if verb == "logs":
            return _log_events(self._logs, body)
        job = engine.find(name)
        return (202 if job and engine.lose_host(job) else 404), b"{}", {}

    async def _invoke(self, invoker: AsyncInvoker, function: str, body: bytes, headers: Headers) -> Answer:
        name = function.partition(":function:")[2] or function
        name = name.partition(":")[0]
        if name not in self._pools:
            message = json.dumps({"Type": "User", "Message": f"Function not found: {name}"}).encode()
            return 404, message, {"x-amzn-errortype": "ResourceNotFoundException"}
        kind = headers.get("x-amz-invocation-type", "RequestResponse")
        if kind == "DryRun":
            return 204, b"", {}
        lineage = Lineage.of([headers.get(TRACE_HEADER.lower())])
        if kind == "Event":
            invoker.submit(name, body, lineage)
            return 202, b"", {}
        result = await self._pools[name].invoke(body, lineage)
        if result.outcome in _REFUSALS:
            status, name = _REFUSALS[result.outcome]
            return status, json.dumps({"message": result.error_message}).encode(), {"x-amzn-errortype": name}
        extra = {} if result.is_response else {"x-amz-function-error": "Unhandled"}
        return 200, result.body, {"x-amz-executed-version": "$LATEST", **extra}


def _log_events(logs: Path, body: bytes) -> Answer:
    try:
        answer = get_log_events(logs, json.loads(body or b"{}"))
    except NoSuchStream as exc:
        return 400, json.dumps({"__type": "ResourceNotFoundException", "message": str(exc)}).encode(), {}
    return 200, json.dumps(answer).encode(), {}


async def _batch(api: BatchApi, operation: str, body: bytes) -> Answer:
    try:
        answer = await api.call(operation, json.loads(body or b"{}"))
    except BatchClientError as exc:
        return 400, json.dumps({"message": str(exc)}).encode(), {"x-amzn-errortype": "ClientException"}
    return 200, json.dumps(answer).encode(), {}
