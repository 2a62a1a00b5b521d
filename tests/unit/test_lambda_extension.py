"""The extension's requests and what it makes of Lambda's answers, over a pair of sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from lambent.adapters import lambda_extension
from lambent.adapters.lambda_extension import ExtensionFailed, LambdaExtension

PATIENCE_S = 60.0
REGISTERED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Extension-Identifier: some-id\r\n"
    b"Content-Length: 21\r\n\r\n" + b'{"functionName": "f"}'
)
EVENT = b'HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{"eventType": "INVOKE"}'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n17\r\n{"eventType": "INVOKE"}\r\n0\r\n\r\n'


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return Lambda's end of the connection that an extension will make."""
    theirs, ours = socket.socketpair()
    theirs.settimeout(PATIENCE_S)
    monkeypatch.setattr(lambda_extension.socket, "create_connection", lambda *_args, **_more: ours)
    with theirs, ours:
        yield theirs


def registered(wire: socket.socket) -> LambdaExtension:
    wire.sendall(REGISTERED)
    extension = LambdaExtension("127.0.0.1:9001")
    wire.recv(65_536)
    return extension


def test_it_registers_for_invocations_under_its_name(wire: socket.socket) -> None:
    wire.sendall(REGISTERED)

    LambdaExtension("127.0.0.1:9001")

    head, _, body = wire.recv(65_536).decode().partition("\r\n\r\n")
    first, *fields = head.split("\r\n")
    assert first == "POST /2020-01-01/extension/register HTTP/1.1"
    assert {"Host: 127.0.0.1:9001", "Lambda-Extension-Name: lambent", f"Content-Length: {len(body)}"} <= set(fields)
    assert body == '{"events":["INVOKE"]}'


def test_it_asks_for_the_next_invocation_by_its_id(wire: socket.socket) -> None:
    extension = registered(wire)

    extension.ask()

    asked = wire.recv(65_536).decode()
    assert asked.startswith("GET /2020-01-01/extension/event/next HTTP/1.1\r\n")
    assert "\r\nLambda-Extension-Identifier: some-id\r\n" in asked


@pytest.mark.parametrize("answer", [EVENT, CHUNKED], ids=["of a length", "chunked"])
def test_an_event_is_taken_whole_and_the_next_one_after_it(wire: socket.socket, answer: bytes) -> None:
    extension = registered(wire)

    wire.sendall(answer)
    extension.take()
    wire.sendall(answer)
    extension.take()

    extension.ask()
    assert wire.recv(65_536).startswith(b"GET ")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_refused_registration_is_told(wire: socket.socket, answer: bytes) -> None:
    wire.sendall(answer)

    with pytest.raises(ExtensionFailed, match="refuses"):
        LambdaExtension("127.0.0.1:9001")


def test_an_api_that_has_gone_is_told(wire: socket.socket) -> None:
    extension = registered(wire)

    wire.close()

    with pytest.raises(ExtensionFailed, match="gone"):
        extension.take()


@pytest.mark.parametrize("address", ["127.0.0.1:no-port", "127.0.0.1:9001"])
def test_an_api_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    def refuse(*_args: object, **_more: object) -> socket.socket:
        raise ConnectionRefusedError

    monkeypatch.setattr(lambda_extension.socket, "create_connection", refuse)

    with pytest.raises(ExtensionFailed, match="cannot be reached"):
        LambdaExtension(address)
