"""An AWS that takes connections and does what a test says, in a thread of this process."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

# What services say to a request: status, error code.
REFUSALS = {
    "broken": (500, "InternalServerError"),
    "away": (503, "ServiceUnavailable"),
    "slow down": (503, "SlowDown"),
    "throttled": (400, "ThrottlingException"),
    "too many": (429, "TooManyRequestsException"),
}
SILENT, RESET, HALF = "silent", "reset", "half"
DRIP, DRIP_BODY, DEAF, GARBLED = "drip", "drip body", "deaf", "garbled"
_DRIP_EVERY_S = 0.01
_RESET = struct.pack("ii", 1, 0)


class SilentService:
    """Takes requests, and does what ``mode`` says.

    One of REFUSALS, SILENT, RESET, HALF (a body that stops in its midst), DRIP and DRIP_BODY (a byte now and then),
    DEAF (takes a connection and no bytes), GARBLED (no TLS), or "well".
    """

    def __init__(self) -> None:
        self.mode = SILENT
        self._is_over = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Take connections until the end."""
        while not self._is_over.is_set():
            with suppress(OSError):
                connection, _ = self._listener.accept()
                Thread(target=self._talk, args=[connection], daemon=True).start()

    def stop(self) -> None:
        """End, and drop who still waits."""
        self._is_over.set()
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        self._listener.close()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self.mode == DEAF:
                self._is_over.wait()
            if self.mode == GARBLED:
                connection.recv(65_536)
                connection.sendall(b"this is no TLS")
                return
            while head := _read_request(connection):
                self._answer(connection, head)

    def _answer(self, connection: socket.socket, head: bytes) -> None:
        if self.mode == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()
        elif self.mode in {SILENT, HALF}:
            if self.mode == HALF:
                connection.sendall(_response(200, b"x" * 10, length=1_000))
            self._is_over.wait()
            connection.close()
        elif self.mode in {DRIP, DRIP_BODY}:
            self._drip(connection)
        elif self.mode == "well":
            connection.sendall(_response(200, b"{}"))
        else:
            status, code = REFUSALS[self.mode]
            answer = _response(status, _error(code, head), headers=f"x-amzn-errortype: {code}\r\n")
            connection.sendall(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head.startswith(b"HEAD") else answer)

    def _drip(self, connection: socket.socket) -> None:
        if self.mode == DRIP_BODY:
            connection.sendall(_response(200, b"", length=9_000))
        else:
            connection.sendall(b"HTTP/1.1 200 ")
        while not self._is_over.wait(_DRIP_EVERY_S):
            connection.sendall(b"x")


def _error(code: str, head: bytes) -> bytes:
    """Return an error in the form of the service that was asked."""
    if b"\r\nx-amz-target:" in head.lower() or b"/v1/" in head:
        return json.dumps({"__type": code, "message": "no"}).encode()
    told = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    is_query = head.startswith(b"POST / ")
    return (f"<ErrorResponse>{told}</ErrorResponse>" if is_query else told).encode()


def _response(status: int, body: bytes, *, headers: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    fields = f'ETag: "e"\r\nLast-Modified: Mon, 30 Nov 2026 00:00:00 GMT\r\nContent-Length: {size}\r\n{headers}'
    return f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode() + body


def _read_request(connection: socket.socket) -> bytes:
    """Read a request, and let a client go on that asks first; return its head, nothing once all is closed."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if fields.get(b"expect") == b"100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    left = int(fields.get(b"content-length", b"0")) - len(body)
    while left > 0:
        left -= len(connection.recv(65_536)) or left
    return head


@contextmanager
def silent_service() -> Iterator[SilentService]:
    """Run one."""
    service = SilentService()
    Thread(target=service.serve, daemon=True).start()
    try:
        yield service
    finally:
        service.stop()
