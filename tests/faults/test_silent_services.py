"""Services that are silent, break off, fail or throttle: each call ends as Unavailable within its budget.

By the adapters, over sockets: no stack, no moto. What is counted is attempts; the waits themselves are a few hundredths
of a second here, and `BRIEF_S` at the doors.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from io import BytesIO
from time import monotonic

import pytest
from silent_service import DEAF, DRIP, DRIP_BODY, GARBLED, HALF, REFUSALS, RESET, SILENT, SilentService, silent_service

from lambent.adapters import clients, time_budget
from lambent.adapters.aws_errors import translate
from lambent.adapters.batch import BatchJobRunner
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.s3 import S3ObjectStore
from lambent.adapters.sqs import SqsQueue
from lambent.adapters.time_budget import TimeBudget, within
from lambent.domain.job_states import JobState
from lambent.errors import Unavailable
from lambent.runtime import time_left

LONG_S = 600.0
SOON_S = 0.05
# Three repetitions, as the SDK counts them.
ATTEMPTS = 4
THROTTLES = {"slow down", "throttled", "too many"}


def store() -> S3ObjectStore:
    return S3ObjectStore(clients.client("s3"), "a-bucket", what="data store")


def jobs() -> DynamoJobStore:
    return DynamoJobStore(clients.table("a-table"))


def queue() -> SqsQueue:
    return SqsQueue(clients.client("sqs"), "https://sqs.eu-west-1.amazonaws.com/123456789012/a-queue")


def announce() -> None:
    with translate("topic"):
        clients.client("sns").publish(TopicArn="arn:aws:sns:eu-west-1:123456789012:a-topic", Message="x")


def put_event() -> None:
    with translate("bus"):
        clients.client("events").put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}])


CALLS: dict[str, Callable[[], object]] = {
    "s3 read": lambda: store().read("a"),
    "s3 download": lambda: store().download("a", BytesIO(), max_bytes=10_000),
    "s3 range": lambda: store().read_range("a", 0, 5),
    "s3 head": lambda: store().head("a"),
    "s3 write": lambda: store().write("a", b"x", content_type="text/plain"),
    "s3 write once": lambda: store().write_once("a", b"x", content_type="text/plain"),
    "s3 list": lambda: list(store().listing("a")),
    "dynamodb read": lambda: jobs().head("acme", "a-job"),
    "dynamodb query": lambda: jobs().get("acme", "a-job"),
    "dynamodb update": lambda: jobs().transition(
        "acme", "a-job", JobState.RUNNING, allowed=[JobState.QUEUED], at="2026-11-30T00:00:00.000Z"
    ),
    "sqs send": lambda: queue().send(b"{}"),
    "sqs send all": lambda: queue().send_all([b"{}"]),
    "sqs depth": lambda: queue().depth(),
    "sns": announce,
    "events": put_event,
    "batch": lambda: BatchJobRunner(clients.client("batch"), job_queue="q", job_definition="d", stack_name="s").status(
        "an-id"
    ),
}


@pytest.fixture(scope="module")
def served() -> Iterator[SilentService]:
    """Run an AWS that all clients of this process reach, and nothing else."""
    with silent_service() as serving, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", serving.url)
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        # The SDK waits up to seconds between its attempts, which is nothing to be tested here.
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
        # Of repetitions it has 500 for all calls of a process, which these tests would use up.
        patch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
        _forget_clients()
        yield serving
        _forget_clients()


@pytest.fixture
def service(served: SilentService) -> SilentService:
    """Return it, silent."""
    served.mode = SILENT
    return served


def _forget_clients() -> None:
    for made in (clients.client, clients.table, clients._session):
        made.cache_clear()


class Counted(TimeBudget):
    """A budget that counts the attempts that it allows."""

    attempts = 0

    def wait_s(self) -> float:
        allowed_s = super().wait_s()
        self.attempts += 1
        return allowed_s


class FakeTime:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def budget(*, is_brief: bool, silence_s: float = SOON_S, left_s: float = LONG_S) -> Counted:
    return Counted(ends_at_s=monotonic() + left_s, silence_s=silence_s, is_brief=is_brief)


def refused(call: Callable[[], object], given: TimeBudget) -> Unavailable:
    with within(given), pytest.raises(Unavailable) as caught:
        call()
    return caught.value


def test_a_silent_service_is_told_within_three_seconds_and_a_slow_one_is_waited_for() -> None:
    assert 2.0 < time_budget.BRIEF_S < 3.0
    assert time_left.BRIEF_S == time_budget.BRIEF_S


@pytest.mark.parametrize("name", CALLS)
def test_at_a_door_silence_ends_the_call_and_nobody_else_is_asked(service: SilentService, name: str) -> None:
    given = budget(is_brief=True)

    error = refused(CALLS[name], given)
    after = [refused(call, given) for call in CALLS.values()]

    assert "silent" in error.detail
    assert {each.code for each in after} == {"unavailable"}
    assert given.attempts == 1


@pytest.mark.parametrize("name", ["s3 read", "s3 download", "s3 range"])
def test_a_body_that_stops_in_its_midst_is_silence_too(service: SilentService, name: str) -> None:
    service.mode = HALF
    given = budget(is_brief=True)

    assert "silent" in refused(CALLS[name], given).detail
    assert given.was_silent


# The answer to a HEAD has no body, and so no code.
@pytest.mark.parametrize(
    ("mode", "name"),
    [(mode, name) for mode in (RESET, *REFUSALS) for name in CALLS if name != "s3 head" or mode not in THROTTLES],
)
def test_at_a_door_what_breaks_off_or_fails_is_tried_once_more(service: SilentService, mode: str, name: str) -> None:
    service.mode = mode

    given = budget(is_brief=True, silence_s=LONG_S)

    error = refused(CALLS[name], given)

    assert error.is_retryable
    assert given.attempts == 2
    assert ("no more requests" in error.detail) == (mode in THROTTLES)


# The answer to a HEAD has no body.
@pytest.mark.parametrize(
    ("mode", "name"),
    [(mode, name) for mode in (DRIP, DRIP_BODY) for name in CALLS if (mode, name) != (DRIP_BODY, "s3 head")],
)
def test_a_byte_now_and_then_is_silence_too(service: SilentService, mode: str, name: str) -> None:
    service.mode = mode
    given = budget(is_brief=True)

    assert "silent" in refused(CALLS[name], given).detail
    assert given.was_silent


def test_a_service_that_does_not_take_what_is_sent_is_silent(service: SilentService) -> None:
    _forget_clients()  # of connections that were taken before
    service.mode = DEAF
    body = bytes(50_000_000)

    error = refused(lambda: store().write("a", body, content_type="text/plain"), budget(is_brief=True))

    assert "silent" in error.detail


@pytest.mark.parametrize(("mode", "told", "attempts"), [(SILENT, "silent", 1), (GARBLED, "could not be reached", 2)])
def test_tls_that_does_not_come_about_is_told_as_what_comes_before_and_after_it(
    service: SilentService, monkeypatch: pytest.MonkeyPatch, mode: str, told: str, attempts: int
) -> None:
    service.mode = mode
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url.replace("http:", "https:"))
    _forget_clients()
    given = budget(is_brief=True, silence_s=SOON_S if mode == SILENT else LONG_S)

    error = refused(CALLS["dynamodb read"], given)

    monkeypatch.undo()
    _forget_clients()
    assert told in error.detail
    assert given.attempts == attempts


def test_a_name_that_is_not_found_is_told_after_another_try(
    service: SilentService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    _forget_clients()
    monkeypatch.setattr("lambent.adapters.paced_connections.socket.getaddrinfo", fail)
    given = budget(is_brief=True, silence_s=LONG_S)

    error = refused(CALLS["dynamodb read"], given)

    assert "could not be reached" in error.detail
    assert given.attempts == 2


def test_all_addresses_of_a_name_have_one_time_together(
    service: SilentService, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, tried = FakeTime(), []

    def wait(address: tuple[str, int], timeout_s: float, **_: object) -> None:
        tried.append(address[0])
        clock.now_s += timeout_s
        raise TimeoutError("timed out")

    _forget_clients()
    addresses = [f"10.0.0.{number}" for number in range(8)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr("lambent.adapters.paced_connections.socket.getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr("lambent.adapters.paced_connections.create_connection", wait)
    monkeypatch.setattr("lambent.adapters.paced_connections.monotonic", clock)

    error = refused(CALLS["dynamodb read"], budget(is_brief=True, silence_s=2.0))

    assert "silent" in error.detail
    assert tried == addresses
    assert clock.now_s == pytest.approx(2.0)


@pytest.mark.parametrize("name", CALLS)
def test_where_nobody_waits_silence_is_tried_again_until_no_time_is_left(service: SilentService, name: str) -> None:
    given, spent = budget(is_brief=False), budget(is_brief=False, left_s=0)

    error, no_time = refused(CALLS[name], given), refused(CALLS[name], spent)

    assert "silent" in error.detail
    assert "no time" in no_time.detail
    assert (given.attempts, spent.attempts) == (ATTEMPTS, 0)


def test_no_attempt_waits_longer_than_what_is_left(service: SilentService) -> None:
    error = refused(CALLS["dynamodb read"], budget(is_brief=False, silence_s=LONG_S, left_s=0.2))

    assert error.code == "unavailable"


def test_nothing_is_remembered_of_an_outage(service: SilentService) -> None:
    for call in CALLS.values():
        refused(call, budget(is_brief=True))
    service.mode = "well"

    with within(budget(is_brief=True, silence_s=LONG_S)):
        found = jobs().head("acme", "a-job")
        body = store().read("a").body

    assert (found, body) == (None, b"{}")


def test_outside_of_an_invocation_the_sdk_waits_as_it_is_told(service: SilentService) -> None:
    service.mode = "well"
    with within(budget(is_brief=True, left_s=0)):
        pass

    assert store().read("a").body == b"{}"


def test_a_service_that_takes_no_connections_is_unavailable(
    service: SilentService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_service() as gone:
        monkeypatch.setenv("AWS_ENDPOINT_URL", gone.url)
    _forget_clients()

    error = refused(CALLS["dynamodb read"], budget(is_brief=True, silence_s=LONG_S))

    monkeypatch.undo()
    _forget_clients()
    assert "could not be reached" in error.detail
