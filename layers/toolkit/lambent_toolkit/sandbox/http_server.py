"""uvicorn inside the supervisor's event loop, on a socket that is bound beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lambent_toolkit.sandbox.errors import PortInUse
from lambent_toolkit.sandbox.http_messages import HttpResponse
from lambent_toolkit.sandbox.web_pages import Doorman

KEEP_ALIVE_S = 75
STOP_TIMEOUT_S = 2


class HttpServer:
    """One ASGI application on one port of the loopback address.

    Parameters
    ----------
    app : ASGI application
    port : int          0 takes any free one
    doorman : Doorman   who may speak to it

    Raises
    ------
    PortInUse   another program listens there
    """

    def __init__(self, app: Any, port: int, doorman: Doorman) -> None:
        self._socket = _bind(port)
        self._app, self._doorman = app, doorman
        self.port: int = self._socket.getsockname()[1]
        config = _Config(
            self._answer,
            interface="asgi3",
            http=_Protocol,
            lifespan="off",
            ws="none",
            access_log=False,
            log_level="warning",
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
            backlog=2048,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self, app: Any, *, unreadable: Callable[[], HttpResponse] | None, doorman: Doorman) -> None:
        """Choose the application, the answer to what is no HTTP, and who may; requests under way keep theirs."""
        self._app, self._doorman = app, doorman
        self._server.config.unreadable = unreadable

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        reason = self._doorman.refuse(fields)
        if reason is None:
            await self._app(scope, receive, send)
            return
        body = json.dumps({"message": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": HTTPStatus.FORBIDDEN.value, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def start(self) -> None:
        """Serve; returns when requests are taken."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        started = asyncio.create_task(self._server.is_listening.wait())
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()

    async def stop(self) -> None:
        """Stop serving; requests under way get a moment."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()


class _Config(uvicorn.Config):
    unreadable: Callable[[], HttpResponse] | None = None


class _Protocol(HttpToolsProtocol):
    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, which no application sees, as the API answers all other errors."""
        make = self.config.unreadable if isinstance(self.config, _Config) else None
        if make is None:
            super().send_400_response(msg)
            return
        self.transport.write(_as_bytes(make()))
        self.transport.close()


def _as_bytes(response: HttpResponse) -> bytes:
    own = [("Content-Length", str(len(response.body))), ("Connection", "close")]
    fields = "".join(f"{name}: {value}\r\n" for name, value in [*response.headers, *own])
    head = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n{fields}\r\n"
    return head.encode("latin-1") + response.body


class _Server(uvicorn.Server):
    config: _Config

    def __init__(self, config: _Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when requests are taken."""
        await super().startup(sockets)
        self.is_listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the supervisor."""
        yield


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A port in TIME_WAIT is free; a listening one is still refused.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(2048)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} is in use; choose another with --port, or 0 for any free one") from exc
        raise
    return listener
