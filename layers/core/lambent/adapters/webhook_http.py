"""WebhookSender over HTTP, to nobody inside.

The host is looked up here, once; every address that it has must be public; and the connection is made to one of these
addresses, not to the name, which a second look might resolve to something else (DNS rebinding). TLS still speaks to
the name: SNI and certificate are its own. urllib3's connections know neither redirects nor proxies, which are matters
of its pools.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from threading import Timer

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from lambent.domain.public_addresses import is_public
from lambent.domain.webhook_url import WebhookAddress
from lambent.ports import WebhookAnswer

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 65_536

Resolve = Callable[[str, int], Sequence[str]]


def look_up(host: str, port: int) -> list[str]:
    """Return a host's addresses in the system's order; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class HttpWebhookSender:
    """Sends webhooks.

    Parameters
    ----------
    resolve            host and port to addresses; raises OSError
    tls                what certificates are checked against; the system's authorities if not given
    connect_timeout_s  for one address, with the handshake
    total_timeout_s    for one attempt without the look-up, however slowly the receiver drips
    """

    def __init__(
        self,
        *,
        resolve: Resolve = look_up,
        tls: ssl.SSLContext | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()
        self._connect_timeout_s = connect_timeout_s
        self._total_timeout_s = total_timeout_s

    def post(self, address: WebhookAddress, body: bytes, headers: Mapping[str, str]) -> WebhookAnswer:
        """Send one request and return the status; a receiver that cannot be asked is an answer, too."""
        try:
            addresses = self._resolve(address.host, address.port)
        except (OSError, UnicodeError):
            return WebhookAnswer(None, "The host name does not resolve.")
        if not address.is_trusted and not all(is_public(each) for each in addresses):
            return WebhookAnswer(None, "The host name resolves to an address that is not public.")
        deadline_s = time.monotonic() + self._total_timeout_s
        try:
            connection = self._connect(address, addresses, deadline_s)
        except ssl.SSLError:
            return WebhookAnswer(None, "The TLS handshake failed; the certificate must be valid for the host name.")
        except (HTTPError, OSError) as exc:
            # A connection that was refused is a kind of ConnectTimeoutError to urllib3.
            is_late = isinstance(exc, TimeoutError | ConnectTimeoutError) and not isinstance(exc, NewConnectionError)
            return WebhookAnswer(None, "No connection in time." if is_late else "No connection.")
        with _closed_at(connection, deadline_s):
            return self._ask(connection, address, body, headers, deadline_s)

    def _connect(self, address: WebhookAddress, addresses: Sequence[str], deadline_s: float) -> HTTPConnection:
        """Return a connection to the first address that takes one; raises as urllib3, socket and ssl do."""
        error: Exception = OSError("the host name has no address")
        for each in addresses:
            timeout_s = min(self._connect_timeout_s, deadline_s - time.monotonic())
            if timeout_s <= 0:
                break
            connection = self._connection(address, each, timeout_s)
            try:
                connection.connect()  # its timeout is for all of a handshake, however many reads that takes
            except (HTTPError, OSError) as exc:
                connection.close()
                error = exc
            else:
                connection.timeout = self._total_timeout_s  # the answer has all the time that is left
                return connection
        raise error

    def _connection(self, address: WebhookAddress, pinned: str, timeout_s: float) -> HTTPConnection:
        if not address.is_tls:
            return HTTPConnection(pinned, address.port, timeout=timeout_s)
        return HTTPSConnection(
            pinned,
            address.port,
            timeout=timeout_s,
            ssl_context=self._tls,
            # What OpenSSL asks for and checks the certificate against. `assert_hostname` would switch its check off.
            server_hostname=address.host,
        )

    @staticmethod
    def _ask(
        connection: HTTPConnection,
        address: WebhookAddress,
        body: bytes,
        headers: Mapping[str, str],
        deadline_s: float,
    ) -> WebhookAnswer:
        try:
            connection.request(
                "POST", address.target, body, {"Host": address.authority, **headers}, preload_content=False
            )
            answer = connection.getresponse()
        except (HTTPError, HTTPException, OSError):
            answer = None
        # A connection that was broken at the deadline looks like the end of an answer's header.
        if time.monotonic() >= deadline_s:
            return WebhookAnswer(None, "No answer in time.")
        if answer is None:
            return WebhookAnswer(None, "The connection broke before an answer.")
        # Read for politeness only: some receivers take a connection that ends before their last byte for a failure.
        with suppress(HTTPError, HTTPException, OSError):
            answer.read(MAX_ANSWER_BYTES, decode_content=False)
        return WebhookAnswer(answer.status)


@contextmanager
def _closed_at(connection: HTTPConnection, deadline_s: float) -> Iterator[None]:
    """Close the connection at the end, and break it at a time of the monotonic clock if that comes first.

    A socket's own timeout is for each read: a receiver that drips would be listened to for ever.
    """
    timer = Timer(max(0.0, deadline_s - time.monotonic()), _break, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        connection.close()


def _break(connection: HTTPConnection) -> None:
    # Looked at once: whoever has the answer may close the connection at this moment.
    if (opened := connection.sock) is not None:
        with suppress(OSError):
            # Not SSLSocket's own, which ends encryption a moment before the connection.
            socket.socket.shutdown(opened, socket.SHUT_RDWR)
