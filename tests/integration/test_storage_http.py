"""The storage's connections: open for the next request, whatever the one before has left unread."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.serving import make_server

from lambent_toolkit.sandbox.storage_http import StorageRequestHandler

CHUNKS = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer as the path says; only /read looks at the body."""
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise ValueError("secret of the storage")
    if path == "/none":
        start_response("204 No Content", [])
        return []
    body = environ["wsgi.input"].read() if path == "/read" else b"unread"
    declared = {"/told": str(len(body)), "/lie": "99"}
    fields = [("Content-Length", declared[path])] if path in declared else []
    start_response("200 OK", fields)
    return [body[:1], body[1:]]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=StorageRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    try:
        yield connection
    finally:
        connection.close()


def asked(connection: http.client.HTTPConnection, method: str, path: str, **options: Any) -> tuple[int, bytes]:
    connection.request(method, path, **options)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_one_connection_takes_one_request_after_the_other(port: int) -> None:
    with connected(port) as connection:
        used = connection.sock
        requests = [("PUT", "/read"), ("GET", "/told"), ("HEAD", "/told"), ("DELETE", "/none"), ("PUT", "/read")]

        answers = [asked(connection, method, path, body=b"sent") for method, path in requests]

        assert answers == [(200, b"sent"), (200, b"unread"), (200, b""), (204, b""), (200, b"sent")]
        assert connection.sock is used


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_nobody_read_is_not_the_next_request(port: int, chunked: bool) -> None:
    body = b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n" * 1000

    with connected(port) as connection:
        used = connection.sock
        sent: dict[str, Any] = {"body": iter([body, body]), "encode_chunked": True} if chunked else {"body": body}
        first = asked(connection, "POST", "/told", **sent)
        second = asked(connection, "PUT", "/read", body=b"next")

        assert (first, second) == ((200, b"unread"), (200, b"next"))
        assert connection.sock is used


def test_a_body_in_chunks_is_read_to_its_end_and_no_further(port: int) -> None:
    head = b"PUT /read HTTP/1.1\r\nHost: x\r\n"
    request = head + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS

    answer = told(port, request + request + head + b"Connection: close\r\nContent-Length: 1\r\n\r\nz")

    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"\r\n\r\nabcde") == 2
    assert answer.endswith(b"\r\n\r\nz")


def test_who_asks_before_sending_is_told_once_to_go_on(port: int) -> None:
    head = b"PUT /read HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"

    with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rb") as reader:
        client.sendall(head)
        asked_for = reader.readline()
        client.sendall(b"body")
        rest = reader.read()

    assert asked_for == b"HTTP/1.1 100 Continue\r\n"
    assert b"100 Continue" not in rest
    assert rest.endswith(b"body")


@pytest.mark.parametrize(
    "request_sent",
    [
        b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /lie HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /told HTTP/1.0\r\n\r\n",
        b"PUT /told HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
    ],
    ids=["an error", "another length than told", "an old client", "chunks that are none"],
)
def test_a_connection_of_which_nobody_knows_what_comes_next_is_closed(port: int, request_sent: bytes) -> None:
    answer = told(port, request_sent)

    assert answer.startswith(b"HTTP/1.1 ")
    assert b"secret of the storage" not in answer


def told(port: int, sent: bytes) -> bytes:
    """Send bytes, and return all that comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))
