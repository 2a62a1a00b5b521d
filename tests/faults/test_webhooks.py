"""Webhooks reach nobody inside, and a receiver that misbehaves costs a bounded time."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, cycle, repeat
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from hostile_webhooks import BROKEN_URLS, INSIDE_ADDRESSES
from lambent.adapters.webhook_http import HttpWebhookSender
from lambent.domain.webhook_url import WebhookAddress, read_webhook_url
from lambent.errors import UrlRefused
from lambent.ports import WebhookAnswer
from patience import PATIENCE_S
from receivers import Authority, listening, receiving, refusing

NAME = "hooks.example.com"
PUBLIC = "93.184.215.14"
BODY = b'{"id": "evt_1"}'
TOTAL_S = 2.0  # of attempts that must run out of time; all others have as long as they need
# Reading the system's authorities takes a tenth of a second, which a function does once.
TLS = ssl.create_default_context()

_watched: list[Any] = []
_is_watching = Event()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note where this process connects to; no packet leaves this machine."""
    if event == "socket.connect" and _is_watching.is_set():
        address = arguments[1]
        _watched.append(address)
        if address[0] not in {"127.0.0.1", "127.0.0.2", "::1"}:
            raise ConnectionRefusedError("no packet of a test leaves this machine")


sys.addaudithook(_watch)  # for the life of the process: hooks cannot be taken back


@contextmanager
def connects() -> Iterator[list[Any]]:
    """Yield where connections are tried to, of any socket of this process."""
    _watched.clear()
    _is_watching.set()
    try:
        yield _watched
    finally:
        _is_watching.clear()


def answers_nothing(connection: socket.socket, over: Event) -> None:
    connection.recv(65_536)
    over.wait()


def resolving(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda _host, _port: list(addresses)


def address(port: int, *, is_tls: bool = False, is_trusted: bool = True, host: str = NAME) -> WebhookAddress:
    return WebhookAddress(host, port, "/hook", is_tls, is_trusted)


def send_to(port: int, *, total_timeout_s: float = PATIENCE_S) -> WebhookAnswer:
    """Send to a receiver of this machine, as a stack that trusts it does."""
    sender = HttpWebhookSender(resolve=resolving("127.0.0.1"), tls=TLS, total_timeout_s=total_timeout_s)
    return sender.post(address(port), BODY, {"webhook-id": "evt_1"})


# ---- nobody inside


def test_no_hostile_address_makes_a_connection() -> None:
    with listening(answers_nothing) as listener, connects() as tried:
        for _, url in BROKEN_URLS:
            with pytest.raises(UrlRefused):
                HttpWebhookSender(resolve=resolving("127.0.0.1"), tls=TLS).post(
                    read_webhook_url(url, trusted_hosts=frozenset()), BODY, {}
                )

    assert (len(BROKEN_URLS) >= 60, listener.connects, tried) == (True, 0, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_name_that_resolves_inside_makes_a_connection(host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with listening(answers_nothing, host=host) as listener, connects() as tried:
        answers = [
            HttpWebhookSender(resolve=resolving(*found), tls=TLS).post(
                address(listener.port, is_trusted=False), BODY, {}
            )
            for inside in [host, *INSIDE_ADDRESSES]
            for found in ([inside], [PUBLIC, inside], [inside, PUBLIC])
        ]

    assert (listener.connects, tried) == (0, [])
    assert {answer.error for answer in answers} == {"The host name resolves to an address that is not public."}


def test_a_listener_counts_the_connections_that_are_made() -> None:
    with listening(answers_nothing) as listener, connects() as tried:
        send_to(listener.port, total_timeout_s=TOTAL_S)

    assert (listener.connects, tried) == (1, [("127.0.0.1", listener.port)])


@pytest.mark.parametrize("is_tls", [True, False])
def test_a_name_that_resolves_inside_the_second_time_is_connected_to_where_it_was_checked(
    monkeypatch: pytest.MonkeyPatch, is_tls: bool
) -> None:
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def rebinding(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host != NAME:
            return look_up(host, port, *rest, **more)
        asked.append(host)
        found = PUBLIC if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with listening(answers_nothing) as listener, connects() as tried:
        target = address(listener.port, is_tls=is_tls, is_trusted=False)
        answers = [HttpWebhookSender().post(target, BODY, {}) for _ in range(2)]

    assert listener.connects == 0
    assert tried == [(PUBLIC, listener.port)]
    assert asked == [NAME] * 2
    assert [answer.error for answer in answers] == [
        "No connection.",
        "The host name resolves to an address that is not public.",
    ]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_nobody_follows_it(status: int) -> None:
    with listening(answers_nothing) as inside, receiving() as receiver:
        receiver.statuses, receiver.location = [status], f"http://127.0.0.1:{inside.port}/"

        answer = send_to(receiver.port)

    assert (answer, inside.connects, len(receiver.requests)) == (WebhookAnswer(status), 0, 1)


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answers_nothing) as proxy, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)

        answer = send_to(receiver.port)

    assert (answer, proxy.connects, len(receiver.requests)) == (WebhookAnswer(200), 0, 1)


# ---- the request


def test_the_request_names_its_host_and_carries_the_body_and_nothing_of_this_machine() -> None:
    with receiving() as receiver:
        send_to(receiver.port)

    (request,) = receiver.requests
    assert (request.path, request.body) == ("/hook", BODY)
    assert request.headers["host"] == f"{NAME}:{receiver.port}"
    assert set(request.headers) == {"host", "webhook-id", "content-length", "accept-encoding", "user-agent"}


def test_an_answer_may_take_longer_than_a_connection() -> None:
    def takes_its_time(connection: socket.socket, over: Event) -> None:
        connection.recv(65_536)
        over.wait(1.0)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with listening(takes_its_time) as listener:
        sender = HttpWebhookSender(
            resolve=resolving("127.0.0.1"), tls=TLS, connect_timeout_s=0.5, total_timeout_s=PATIENCE_S
        )

        answer = sender.post(address(listener.port), BODY, {})

    assert answer == WebhookAnswer(204)


def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    with receiving() as receiver:
        sender = HttpWebhookSender(resolve=resolving("127.0.0.2", "127.0.0.1"), total_timeout_s=PATIENCE_S)

        answer = sender.post(address(receiver.port), BODY, {})

    assert answer == WebhookAnswer(200)


# ---- TLS


def test_tls_speaks_to_the_name_although_the_connection_is_to_an_address(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with receiving(tls=authority.server(NAME)) as receiver:
        sender = HttpWebhookSender(resolve=resolving("127.0.0.1"), tls=authority.client(), total_timeout_s=PATIENCE_S)

        answer = sender.post(address(receiver.port, is_tls=True), BODY, {})

    assert (answer, receiver.server_names, len(receiver.requests)) == (WebhookAnswer(200), [NAME], 1)


@pytest.mark.parametrize("shown", ["other.example.com", "127.0.0.1.example.com"])
def test_a_certificate_for_another_name_gets_no_request(tmp_path: Path, shown: str) -> None:
    authority = Authority(tmp_path)
    with receiving(tls=authority.server(shown)) as receiver:
        sender = HttpWebhookSender(resolve=resolving("127.0.0.1"), tls=authority.client(), total_timeout_s=PATIENCE_S)

        answer = sender.post(address(receiver.port, is_tls=True), BODY, {})

    assert (answer.status, receiver.requests) == (None, [])
    assert answer.error == "The TLS handshake failed; the certificate must be valid for the host name."


def test_a_certificate_of_an_unknown_authority_gets_no_request(tmp_path: Path) -> None:
    with receiving(tls=Authority(tmp_path).server(NAME)) as receiver:
        sender = HttpWebhookSender(resolve=resolving("127.0.0.1"), total_timeout_s=PATIENCE_S)

        answer = sender.post(address(receiver.port, is_tls=True), BODY, {})

    assert (answer.status, receiver.requests) == (None, [])


# ---- receivers that misbehave


def stays_silent(connection: socket.socket, over: Event) -> None:
    over.wait()


def drips(connection: socket.socket, over: Event) -> None:
    connection.recv(65_536)
    for byte in chain(b"HTTP/1.1 200 OK\r\n", cycle(b"x: y\r\n")):
        connection.send(bytes([byte]))
        if over.wait(0.05):
            return


def goes_on_for_ever(connection: socket.socket, over: Event) -> None:
    connection.recv(65_536)
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"4000\r\n" + bytes(0x4000) + b"\r\n")


def never_ends_its_body(connection: socket.socket, over: Event) -> None:
    connection.recv(65_536)
    connection.send(b"HTTP/1.1 204 No Content\r\nContent-Length: 1000000\r\n\r\nx")
    over.wait()


def informs_for_ever(connection: socket.socket, over: Event) -> None:
    connection.recv(65_536)
    while not over.wait(0.01):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def sends(reply: bytes) -> Callable[[socket.socket, Event], None]:
    def act(connection: socket.socket, _: Event) -> None:
        connection.recv(65_536)
        connection.sendall(reply)

    return act


LATE = WebhookAnswer(None, "No answer in time.")
BROKEN = WebhookAnswer(None, "The connection broke before an answer.")


@pytest.mark.parametrize(
    ("act", "answer"),
    [
        (stays_silent, LATE),
        (drips, LATE),
        (informs_for_ever, LATE),
        (goes_on_for_ever, WebhookAnswer(200)),
        (never_ends_its_body, WebhookAnswer(204)),
        (sends(b""), BROKEN),
        (sends(b"not HTTP at all\r\n\r\n"), BROKEN),
        (sends(b"HTTP/1.1 two hundred\r\n\r\n"), BROKEN),
        (sends(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n"), BROKEN),
        (sends(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"), BROKEN),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), WebhookAnswer(200)),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb"), WebhookAnswer(200)),
        (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk"), WebhookAnswer(200)),
        (sends(b"HTTP/1.1 500 \xff\xfe\r\n\r\n"), WebhookAnswer(500)),
    ],
)
def test_a_receiver_that_misbehaves_is_an_answer_and_costs_a_bounded_time(
    act: Callable[[socket.socket, Event], None], answer: WebhookAnswer
) -> None:
    # Receivers go on until the listener's end: a sender without a limit of its own would never come to it.
    with listening(act) as listener:
        got = send_to(listener.port, total_timeout_s=TOTAL_S if answer == LATE else PATIENCE_S)

    assert (got, listener.connects) == (answer, 1)


def drips_a_handshake(connection: socket.socket, over: Event) -> None:
    for byte in chain(b"\x16\x03\x03\x40\x00", repeat(0)):
        connection.send(bytes([byte]))
        if over.wait(0.05):
            return


@pytest.mark.parametrize("act", [stays_silent, drips_a_handshake])
def test_a_receiver_that_never_ends_its_handshake_is_left(act: Callable[[socket.socket, Event], None]) -> None:
    with listening(act) as listener:
        sender = HttpWebhookSender(resolve=resolving("127.0.0.1"), tls=TLS, total_timeout_s=TOTAL_S)
        answer = sender.post(address(listener.port, is_tls=True), BODY, {})

    assert answer == WebhookAnswer(None, "No connection in time.")


def test_a_receiver_that_drips_behind_a_handshake_is_left(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.server(NAME)

    def shakes_hands_and_drips(connection: socket.socket, over: Event) -> None:
        with own.wrap_socket(connection, server_side=True) as wrapped:
            drips(wrapped, over)

    with listening(shakes_hands_and_drips) as listener:
        sender = HttpWebhookSender(resolve=resolving("127.0.0.1"), tls=authority.client(), total_timeout_s=TOTAL_S)
        answer = sender.post(address(listener.port, is_tls=True), BODY, {})

    assert answer == LATE


def test_a_receiver_that_is_not_there_is_told() -> None:
    with refusing() as held:
        answer = send_to(held.getsockname()[1])

    assert answer == WebhookAnswer(None, "No connection.")


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
