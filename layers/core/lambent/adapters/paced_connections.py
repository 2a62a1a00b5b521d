"""Connections of the SDK on which an attempt ends in time, however it is spread over which steps it waits.

A socket's timeout is of one step: looking a name up has none, each of a host's addresses has its own, and a service
that sends a byte now and then never runs into it. Here the waiting of an attempt is summed up: over name, connection,
TLS, sending and reading, until `COUNTS_BYTES` more have come through, which tells a slow service from one that goes
nowhere.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from time import monotonic
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ReadTimeoutError
from urllib3.util.connection import allowed_gai_family, create_connection

from lambent.adapters.time_budget import allowed_s

COUNTS_BYTES = 16_384
_LEAST_S = 0.001


class Pace:
    """Seconds that an attempt has waited since it last got on."""

    def __init__(self) -> None:
        self._waited_s = 0.0
        self._moved_bytes = 0

    def begin(self) -> None:
        """Forget the attempt before."""
        self._waited_s, self._moved_bytes = 0.0, 0

    def left_s(self, timeout_s: float) -> float:
        """Return how long the next step may take; raises TimeoutError."""
        left_s = timeout_s - self._waited_s
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of a step."""
        begin_s = monotonic()
        try:
            yield
        finally:
            self._waited_s += monotonic() - begin_s

    def moved(self, count: int) -> None:
        """Count bytes that came through."""
        self._moved_bytes += count
        if self._moved_bytes >= COUNTS_BYTES:
            self.begin()


class _Paced:
    """What both kinds of connections do; urllib3 sets ``timeout`` to that for connecting, later to that for reading."""

    sock: Any
    timeout: float
    host: str
    port: int
    socket_options: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._pace = Pace()
        self._is_new = False
        self.response_class = self._original_response_cls = partial(_paced_response, self._pace)

    def connect(self) -> None:
        """Connect, within what an attempt may take."""
        self._pace.begin()
        self._is_new = True
        with self._pace.waiting():
            super().connect()  # type: ignore[misc]

    def request(self, *arguments: Any, **named: Any) -> None:
        """Send a request; a new connection's time is part of its first one's."""
        if not self._is_new:
            self._pace.begin()
        super().request(*arguments, **named)  # type: ignore[misc]
        self._is_new = False

    def send(self, data: Any) -> None:
        """Send bytes; raises urllib3's ReadTimeoutError if nobody takes them."""
        if self.sock is None:
            self.connect()
        try:
            self.sock.settimeout(self._pace.left_s(self._most_s()))
            with self._pace.waiting():
                super().send(data)  # type: ignore[misc]
        except TimeoutError as exc:
            raise ReadTimeoutError(self, "", "Nobody took what was sent.") from exc  # type: ignore[arg-type]
        self._pace.moved(len(data))

    def _new_conn(self) -> socket.socket:
        """Return a socket to the first address that takes one; all of them have one time together."""
        ends_s = monotonic() + self._most_s()
        try:
            found = socket.getaddrinfo(self.host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except socket.gaierror as exc:
            raise NameResolutionError(self.host, self, exc) from exc  # type: ignore[arg-type]
        try:
            return self._first_that_takes([str(each[4][0]) for each in found], ends_s)
        except TimeoutError as exc:
            raise ConnectTimeoutError(self, "No address took a connection in time.") from exc
        except OSError as exc:
            raise NewConnectionError(self, f"No address took a connection: {exc}") from exc  # type: ignore[arg-type]

    def _first_that_takes(self, addresses: list[str], ends_s: float) -> socket.socket:
        failure = OSError("The name has no address.")
        for further, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            left_s = ends_s - monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out") from failure
            try:
                # Half of what is left, so that one address that is silent leaves something to the next.
                share_s = left_s / 2 if further else left_s
                made = create_connection((address, self.port), share_s, socket_options=self.socket_options)
            except OSError as exc:
                failure = exc
            else:
                made.settimeout(max(_LEAST_S, ends_s - monotonic()))  # for TLS
                return made
        raise failure

    def _most_s(self) -> float:
        return min(self.timeout, allowed_s())


class _PacedReader(RawIOBase):
    """Reads a socket; each read waits for what the attempt's pace leaves."""

    def __init__(self, raw: Any, sock: Any, pace: Pace) -> None:
        self._raw, self._sock, self._pace = raw, sock, pace
        self._timeout_s = sock.gettimeout()

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there; raises TimeoutError."""
        if self._timeout_s is not None:
            self._sock.settimeout(self._pace.left_s(self._timeout_s))
        with self._pace.waiting():
            count: int | None = self._raw.readinto(buffer)
        self._pace.moved(count or 0)
        return count

    def close(self) -> None:
        """Give the socket back."""
        self._raw.close()
        super().close()


def _paced_response(pace: Pace, sock: Any, *arguments: Any, **named: Any) -> HTTPResponse:
    response = HTTPResponse(sock, *arguments, **named)
    response.fp = BufferedReader(_PacedReader(response.fp.detach(), sock, pace))
    return response


class _Connection(_Paced, AWSHTTPConnection):  # type: ignore[misc]
    """A connection in the clear."""


class _SecureConnection(_Paced, AWSHTTPSConnection):  # type: ignore[misc]
    """A connection with TLS."""


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(AWSHTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def pace_connections(client: Any) -> Any:
    """Let a client of the SDK connect and read at a pace; return it. The SDK has no door for that."""
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_Pool, https=_SecurePool)  # noqa: SLF001
    return client
