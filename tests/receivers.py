"""Receivers of webhooks on this machine: one that answers as it is told, and one that does what it likes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from patience import PATIENCE_S


@dataclass
class Received:
    """One request; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, and what is answered: the next of ``statuses``, and 200 when there is none left."""

    port: int = 0
    requests: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str | None = None
    server_names: list[str | None] = field(default_factory=list)


@contextmanager
def refusing() -> Iterator[socket.socket]:
    """Hold a port of 127.0.0.1 without listening: connections are refused, and nobody else is given it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


@contextmanager
def receiving(*, held: socket.socket | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Receive on 127.0.0.1, by TLS if told how; on the port that `refusing` has held, if told which."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.append(Received(self.path, headers, body))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            if receiver.location is not None:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = _QuietServer(("127.0.0.1", 0), Handler)
    if held is not None:
        server.listen_on(held)
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: receiver.server_names.append(name)  # type: ignore[assignment, misc]
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that the client ends."""

    def listen_on(self, held: socket.socket) -> None:
        """Listen where a port is held, in place of this server's own."""
        self.socket.close()
        self.socket = held.dup()
        self.server_address = self.socket.getsockname()
        self.server_port = self.server_address[1]
        self.server_activate()


@dataclass
class Listener:
    """Where connections are counted."""

    port: int
    connects: int = 0


@contextmanager
def listening(act: Callable[[socket.socket, Event], None], *, host: str = "127.0.0.1") -> Iterator[Listener]:
    """Count connections to ``host``, and do to each what ``act`` does until the event is set."""
    over = Event()
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        listener = Listener(server.getsockname()[1])
        server.settimeout(0.05)

        def accept() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    connection, _ = server.accept()
                    listener.connects += 1
                    connection.settimeout(PATIENCE_S)
                    with connection, suppress(OSError):
                        act(connection, over)

        thread = Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            over.set()
            thread.join()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a test."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def client(self) -> ssl.SSLContext:
        """Return what trusts this authority and no other."""
        path = self.folder / "authority.pem"
        path.write_bytes(self._certificate("authority", self.key, is_authority=True))
        return ssl.create_default_context(cafile=str(path))

    def server(self, name: str) -> ssl.SSLContext:
        """Return what shows a certificate of this authority for a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(private + self._certificate(name, key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certificate(self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False) -> bytes:
        now = datetime.now(tz=UTC)
        own, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, "authority"))
        builder = (
            x509.CertificateBuilder()
            .subject_name(own)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
