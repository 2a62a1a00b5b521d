"""Bad requests and bad HTTP over real sockets, on the local stack: every answer is ours, and no function dies."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from random import Random

import pytest
from bad_input import BadInput, bad, encoded
from chance import SEED
from good_input import PAIR, check_good
from plane import KEY, TENANT, Answer, Request
from refusals import CANARY, check_refusal
from stack_door import StackDoor, open_door
from test_mutations import CLASSES

from lambent_toolkit.demo.local import own_stack

PARAMETERS = {
    "RequestsPerSecond": "10000",
    "RequestBurst": "5000",
    "StageRequestsPerSecond": "10000",
    "StageRequestBurst": "5000",
    "DefaultTenant": TENANT,
}
FUNCTIONS = ("predict", "jobs")
INFER = "/v2/models/pair/infer"
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
UNREADABLE = bad("unreadable", lambda _: Request("GET", "/"), "request_malformed")


@pytest.fixture(scope="module")
def door() -> Iterator[StackDoor]:
    """Return the door of a stack of its own, with both functions warm."""
    with own_stack(parameters=PARAMETERS) as info:
        opened = open_door(info)
        check_good(opened, INFER)
        assert opened.send(Request("GET", "/jobs/nothing")).status == 404
        yield opened


def is_http(request: Request) -> bool:
    """Whether every header is a field of HTTP (RFC 9110, section 5.5); others the gateway cannot read."""
    return not any(CONTROL.search(value) for _, value in request.header_pairs())


def check_said(answer: Answer, kind: BadInput, door: StackDoor) -> None:
    """Assert that an answer is a success or a refusal of the class, and names nothing of the stack's."""
    if not (kind.can_be_good and answer.status < 300):
        check_refusal(answer, kind.codes)
    inside = [door.info.table, *door.info.buckets.values(), *door.info.queues.values(), door.info.api_key]
    assert [name for name in inside if name.encode() in answer.body and "upload" not in answer.json] == []


def test_bad_input_of_every_class_is_refused_and_the_functions_processes_live_on(door: StackDoor) -> None:
    before = [door.processes(function) for function in FUNCTIONS]
    assert all(before)

    for kind in CLASSES:
        print(f"replay: LAMBENT_FAULTS_SEED={SEED}, {kind.name}")
        request = kind.make(Random(f"{SEED} {kind.name} http"))
        answer = door.send(request)
        if "host" in request.headers and is_http(request):
            # Of another host, or of two: the local stack's doorman says so before anything of ours.
            assert answer.status == 403, answer
            continue
        check_said(answer, kind if is_http(request) else UNREADABLE, door)
        check_good(door, request.path)

    # Another process may have joined: a request can come before the first is back for more.
    after = [door.processes(function) for function in FUNCTIONS]
    assert all(early <= late for early, late in zip(before, after, strict=True))
    assert CANARY not in door.logged()


def head(*fields: str, line: str = f"POST {INFER} HTTP/1.1") -> bytes:
    """Return a request's head with some more fields; ``KEY`` in one stands for the stack's key."""
    return "\r\n".join([line, "host: localhost", "connection: close", "x-api-key: KEY", *fields, "", ""]).encode(
        "latin-1"
    )


GOOD = encoded(PAIR)
CHUNKED = head("transfer-encoding: chunked")
MALFORMED = {
    "noise": bytes(range(256)) * 4,
    "tls_handshake": bytes.fromhex("16030100c4010000c00303") + bytes(185),
    "no_version": head(line=f"POST {INFER}"),
    "version_unknown": head(line=f"POST {INFER} HTTP/9.9"),
    "method_unknown": head(line=f"GUESS {INFER} HTTP/1.1"),
    "control_character_in_the_path": head(line="GET /v2/mo\x00dels HTTP/1.1"),
    "field_without_colon": head("nothing"),
    "control_character_in_a_field": head("x-odd: a\x00b"),
    "folded_field": head("x-odd: a", " b"),
    "length_no_number": head("content-length: many") + GOOD,
    "length_negative": head("content-length: -1") + GOOD,
    "length_twice": head("content-length: 3", "content-length: 4") + GOOD,
    "length_overflows": head(f"content-length: {2**64}") + GOOD,
    "length_and_chunks": head("content-length: 3", "transfer-encoding: chunked") + b"0\r\n\r\n",
    "chunk_size_no_number": CHUNKED + b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "chunk_longer_than_its_size": CHUNKED + b"2\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "chunk_size_overflows": CHUNKED + b"f" * 17 + b"\r\n" + GOOD,
}  # fmt: skip


def with_key(door: StackDoor, sent: bytes) -> bytes:
    """Return the bytes with the stack's key, and with its stage before the path."""
    staged = sent.replace(b" /", f" {door.base_path}/".encode(), 1)
    return staged.replace(b"x-api-key: KEY", b"x-api-key: " + door.keys[KEY].encode())


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http_is_refused_and_the_next_request_is_answered(door: StackDoor, name: str) -> None:
    answer = door.send_bytes(with_key(door, MALFORMED[name]))

    # No version is HTTP 0.9: a request without a body.
    check_refusal(answer, {"json_invalid" if name == "no_version" else "request_malformed"})
    check_good(door, INFER)


@pytest.mark.parametrize("sizes", [[len(GOOD)], [1] * len(GOOD), [7, 50, len(GOOD) - 57]])
def test_a_chunked_body_is_put_together(door: StackDoor, sizes: list[int]) -> None:
    rest = GOOD
    chunks = []
    for size in sizes:
        chunks.append(b"%x;note=1\r\n%b\r\n" % (size, rest[:size]))
        rest = rest[size:]

    answer = door.send_bytes(with_key(door, CHUNKED) + b"".join(chunks) + b"0\r\ntrailer: 1\r\n\r\n")

    assert (answer.status, answer.json["outputs"][0]["data"]) == (200, [15.0])


@pytest.mark.parametrize(
    ("fields", "status"),
    [(["x-odd: " + "y" * 500_000], 400), ([f"x-odd-{number}: y" for number in range(5_000)], 200)],
    ids=["over AWS's limit", "many names"],
)
def test_huge_headers_do_no_harm(door: StackDoor, fields: list[str], status: int) -> None:
    answer = door.send_bytes(with_key(door, head(f"content-length: {len(GOOD)}", *fields)) + GOOD)

    assert answer.status == status
    check_good(door, INFER)


def test_a_wish_for_another_protocol_is_left_unheard(door: StackDoor) -> None:
    fields = ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: AAAA", f"content-length: {len(GOOD)}"]

    answer = door.send_bytes(with_key(door, head(*fields)) + GOOD)

    assert answer.status in {200, 400, 426}
    check_good(door, INFER)


ABANDONED = {
    "in_the_head": b"POST /v2/models/pair/infer HTTP/1.1\r\nx-api-",
    "before_the_body": head("content-length: 1000"),
    "in_the_body": head("content-length: 1000") + GOOD[:40],
    "in_a_chunk": CHUNKED + b"fff\r\n" + GOOD,
    "between_chunks": CHUNKED + b"%x\r\n%b\r\n" % (len(GOOD), GOOD),
}


@pytest.mark.parametrize("name", ABANDONED)
def test_a_request_that_is_abandoned_is_forgotten(door: StackDoor, name: str) -> None:
    with door.connect() as connection:
        connection.sendall(with_key(door, ABANDONED[name]))
        connection.shutdown(socket.SHUT_WR)
        answered = connection.recv(100)

    assert answered[:12] in {b"", b"HTTP/1.1 400"}
    check_good(door, INFER)


def test_a_body_that_comes_slowly_holds_up_nobody(door: StackDoor) -> None:
    with door.connect() as slow:
        slow.sendall(with_key(door, head(f"content-length: {len(GOOD)}")))
        for byte in GOOD[:20]:
            slow.sendall(bytes([byte]))
            check_good(door, INFER)
        slow.sendall(GOOD[20:])

        assert slow.recv(12) == b"HTTP/1.1 200"


def test_a_request_that_is_abandoned_in_its_body_never_reaches_a_function(door: StackDoor) -> None:
    fields = ["content-type: text/plain", "prefer: respond-async", "idempotency-key: abandoned", "content-length: 99"]
    with door.connect() as connection:
        connection.sendall(with_key(door, head(*fields, line="POST /models/words/predict HTTP/1.1")) + b"good")
    check_good(door, "/models/words")

    whole = Request("POST", "/models/words/predict", b"bad", {
        "content-type": "text/plain", "prefer": "respond-async", "idempotency-key": "abandoned",
    })  # fmt: skip
    assert door.send(whole).status == 202
