"""The HTTP side of one execution environment: the Lambda Runtime API on a port of its own.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, and on the same port the Extensions API,
runtimes-extensions-api.html, as far as internal extensions go: threads of the function's own process. Only the path
between a function's process and its environment; a raw protocol because both requests of an invocation lie on the
caller's critical path.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Protocol, cast

import httptools

from lambent_toolkit.sandbox.web_pages import Doorman

PREFIX = "/2018-06-01/runtime/"
EXTENSION_PREFIX = "/2020-01-01/extension/"
EXTENSION_NAME = "lambda-extension-name"
EXTENSION_ID = "lambda-extension-identifier"
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
_REASONS = {200: "OK", 403: "Forbidden"}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# What AWS's client calls itself; a browser lets no page say so without asking first.
_CLIENT = "aws-lambda-python/"
_DOORMAN = Doorman()


class RuntimeListener(Protocol):
    """What an execution environment does with the runtime client's requests."""

    def on_next(self, connection: RuntimeConnection) -> None:
        """Answer with `connection.send_event`, now or later."""

    def on_response(self, request_id: str, body: bytes) -> bool:
        """Take what the handler returned; False refuses an answer that nobody waits for."""

    def on_error(self, request_id: str, body: bytes) -> bool:
        """Take what the handler raised; False refuses an answer that nobody waits for."""

    def on_init_error(self, body: bytes) -> None:
        """Take why the module could not be imported."""

    def on_register(self, name: str, events: list[str]) -> str:
        """Take a new extension and return its id; raises ExtensionRefused."""

    def on_extension_next(self, connection: RuntimeConnection, extension_id: str) -> None:
        """Answer with `connection.send_event`, now or later; raises ExtensionRefused."""


class ExtensionRefused(Exception):
    """A request of an extension that Lambda answers with 403.

    Parameters
    ----------
    kind : str   AWS's errorType
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class RuntimeConnection(asyncio.Protocol):
    """One keep-alive connection from `awslambdaric`, or from an extension."""

    def __init__(self, listener: RuntimeListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._fields: list[tuple[str, str]] = []
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio)."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Parse what came (asyncio)."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_url(self, url: bytes) -> None:
        """Collect the path (httptools)."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect the fields, and let a client that asks first send its body (httptools)."""
        self._fields.append((name.decode("latin-1").lower(), value.decode("latin-1")))
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Collect the body (httptools)."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Answer the request (httptools)."""
        url, body, fields = self._url.decode("latin-1"), b"".join(self._body), self._fields
        self._url, self._body, self._fields = b"", [], []
        if _DOORMAN.refuse(fields) is not None:
            self._write(_FORBIDDEN)
        elif url.startswith(EXTENSION_PREFIX):  # its header fields are none that a browser lets a page send unasked
            self._serve_extension(url.removeprefix(EXTENSION_PREFIX), body, dict(fields))
        elif url == PREFIX + "init/error":  # by another part of the client, which names nobody
            self._listener.on_init_error(body)
            self._write(_ACCEPTED)
        elif not dict(fields).get("user-agent", "").startswith(_CLIENT):
            self._write(_FORBIDDEN)
        elif url == PREFIX + "invocation/next":
            self._listener.on_next(self)
        else:
            self._answer(url, body)

    def _answer(self, url: str, body: bytes) -> None:
        request_id, _, verb = url.removeprefix(PREFIX + "invocation/").partition("/")
        listeners = {"response": self._listener.on_response, "error": self._listener.on_error}
        if verb not in listeners:
            self._write(_NOT_FOUND)
            return
        self._write(_ACCEPTED if listeners[verb](request_id, body) else _FORBIDDEN)

    def _serve_extension(self, path: str, body: bytes, said: Mapping[str, str]) -> None:
        try:
            if path == "register":
                self._register(said.get(EXTENSION_NAME, ""), body)
            elif path == "event/next":
                self._listener.on_extension_next(self, said.get(EXTENSION_ID, ""))
            else:
                self._write(_NOT_FOUND)
        except ExtensionRefused as refused:
            self._send(403, {}, json.dumps({"errorType": refused.kind, "errorMessage": refused.message}).encode())

    def _register(self, name: str, body: bytes) -> None:
        try:
            events = json.loads(body or b"{}").get("events") or []
        except (ValueError, AttributeError) as exc:
            raise ExtensionRefused("InvalidRequestFormat", "the body is no JSON object") from exc
        extension_id = self._listener.on_register(name, [str(each) for each in events])
        self._send(200, {"Lambda-Extension-Identifier": extension_id}, b"{}")

    def send_event(self, headers: Mapping[str, str], event: bytes) -> None:
        """Answer the waiting `next` request with one event."""
        self._send(200, headers, event)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{lines}\r\n"
        )
        self._write(head.encode("latin-1") + body)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
