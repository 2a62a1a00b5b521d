"""HTTP of the storage process: connections that stay open, as those to AWS do.

werkzeug's own handler closes each connection after one answer, and waits 10 ms for what else might come. A stack makes
some twenty calls for an upload, so that a third of the storage's time went into connections and their threads.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.exceptions import ClientDisconnected, InternalServerError
from werkzeug.wsgi import LimitedStream

Answer = tuple[str, list[tuple[str, str]], bytes]
_BUFFER_BYTES = 1 << 16
_DRAINED_AT_ONCE_BYTES = 1 << 20
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class StorageRequestHandler(MotoRequestHandler):
    """Answers the requests of one connection, one after the other."""

    # Head and body of an answer are one packet, which waits for no acknowledgement of the one before.
    wbufsize = _BUFFER_BYTES
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Let a client that asks first send its body, at once."""
        is_welcome = super().handle_expect_100()
        self.wfile.flush()
        return is_welcome

    def run_wsgi(self) -> None:
        """Answer one request; the connection stays open unless its end is all that ends the answer."""
        self.environ = environ = self.make_environ()
        stream = environ["wsgi.input"]
        if "wsgi.input_terminated" not in environ:
            stream = environ["wsgi.input"] = LimitedStream(stream, int(environ.get("CONTENT_LENGTH") or 0))
        try:
            answer = _ask(self.server.app, environ)
        except Exception:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the reason
            self.server.log("error", f"Error on request:\n{traceback.format_exc()}")
            self.close_connection = True
            answer = _ask(InternalServerError(), environ)
        self._send(answer)
        self._drain(stream)  # which the application may have put another in the place of

    def _send(self, answer: Answer) -> None:
        status, headers, body = answer
        code, _, reason = status.partition(" ")
        declared = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
        has_body = self.command != "HEAD" and int(code) not in _BODILESS
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if has_body and declared is None:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection or (has_body and declared not in (None, len(body))):
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            self.wfile.write(body)
        self.wfile.flush()

    def _drain(self, stream: Any) -> None:
        """Read what the application has not: what follows is the next request."""
        if self.close_connection:
            return
        with suppress(OSError, ClientDisconnected):
            while stream.read(_DRAINED_AT_ONCE_BYTES):
                pass
            return
        self.close_connection = True  # it sent less than it said, or no chunks


def _ask(app: Any, environ: dict[str, Any]) -> Answer:
    started: list[Any] = []
    found: Iterable[bytes] = app(environ, lambda *arguments: started.extend(arguments[:2]))
    try:
        body = b"".join(found)
    finally:
        if hasattr(found, "close"):
            found.close()
    return started[0], started[1], body
