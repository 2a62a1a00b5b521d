"""Queues of the storage process: what of two tenants' messages is delivered first, and what a backlog costs."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws
from moto.sqs import models as sqs
from moto.sqs.exceptions import ReceiptHandleIsInvalid

from lambent_toolkit.sandbox import storage_queues
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION


class Clock:
    """Milliseconds that pass when a test says so."""

    now_ms = 1_700_000_000_000.0

    def __call__(self, *_: object) -> float:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += 1000 * seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (sqs, storage_queues):
        monkeypatch.setattr(module, "unix_time_millis", clock)
    return clock


@pytest.fixture
def backend(clock: Clock) -> Iterator[Any]:
    """Return queues as the storage process has them; other tests get moto's own back."""
    tamed = (sqs.Queue, sqs.Message, sqs.SQSBackend)
    before = [dict(vars(each)) for each in tamed]
    storage_queues.tame_sqs()
    try:
        with mock_aws():
            backend = sqs.sqs_backends[ACCOUNT_ID][REGION]
            backend.create_queue("q", {})
            yield backend
    finally:
        for each, attributes in zip(tamed, before, strict=True):
            for name in vars(each).keys() - attributes.keys():
                delattr(each, name)
            for name, value in attributes.items():
                if vars(each)[name] is not value:
                    setattr(each, name, value)


def send(backend: Any, tenant: str | None, count: int) -> None:
    for number in range(count):
        backend.send_message("q", f"{tenant}-{number}", group_id=tenant)


def receive(backend: Any, count: int) -> list[Any]:
    return backend.receive_message("q", count, 0, 30)


def bodies(messages: list[Any]) -> list[str]:
    return [each.body for each in messages]


def test_a_tenant_behind_anothers_backlog_is_next_once_that_takes_the_time(backend: Any, clock: Clock) -> None:
    send(backend, "noisy", 50)
    for message in receive(backend, 5):
        clock.pass_s(1)
        backend.delete_message("q", message.receipt_handle)
    send(backend, "quiet", 2)

    assert bodies(receive(backend, 3)) == ["quiet-0", "quiet-1", "noisy-5"]


def test_a_tenant_is_next_while_all_that_is_in_flight_is_anothers(backend: Any, clock: Clock) -> None:
    send(backend, "noisy", 50)
    receive(backend, 4)
    clock.pass_s(1)
    send(backend, "quiet", 1)

    assert bodies(receive(backend, 2)) == ["quiet-0", "noisy-4"]


def test_without_groups_messages_come_in_their_order(backend: Any, clock: Clock) -> None:
    send(backend, None, 3)
    for message in receive(backend, 2):
        clock.pass_s(1)
        backend.delete_message("q", message.receipt_handle)
    send(backend, "quiet", 1)

    assert bodies(receive(backend, 10)) == ["None-2", "quiet-0"]


def test_noise_ends_with_the_backlog(backend: Any, clock: Clock) -> None:
    send(backend, "noisy", 1)
    (message,) = receive(backend, 1)
    clock.pass_s(60)
    backend.delete_message("q", message.receipt_handle)
    send(backend, "other", 1)
    send(backend, None, 1)
    assert bodies(receive(backend, 1)) == ["other-0"]

    send(backend, "noisy", 1)
    send(backend, "quiet", 1)

    assert bodies(receive(backend, 2)) == ["None-0", "noisy-0"]


def test_a_group_stays_with_a_message_that_dies(backend: Any, clock: Clock) -> None:
    dead = backend.create_queue("dead", {})
    policy = {"deadLetterTargetArn": dead.queue_arn, "maxReceiveCount": 1}
    backend.set_queue_attributes("q", {"RedrivePolicy": policy})
    send(backend, "acme", 1)
    receive(backend, 1)
    clock.pass_s(31)

    assert receive(backend, 1) == []
    assert [each.group_id for each in backend.receive_message("dead", 1, 0, 30)] == ["acme"]


def test_counts_tell_who_waits_who_is_hidden_and_who_is_delayed(backend: Any, clock: Clock) -> None:
    send(backend, "acme", 3)
    receive(backend, 1)
    backend.send_message("q", "later", delay_seconds=5)
    queue = backend.get_queue("q")

    def counts() -> tuple[int, int, int]:
        return (
            queue.approximate_number_of_messages,
            queue.approximate_number_of_messages_not_visible,
            queue.approximate_number_of_messages_delayed,
        )

    before = counts()
    clock.pass_s(31)

    assert (before, counts()) == ((2, 1, 1), (4, 0, 0))


def test_a_deleted_message_is_gone_whichever_of_its_receipts_is_shown(backend: Any, clock: Clock) -> None:
    send(backend, "acme", 1)
    (first,) = receive(backend, 1)
    clock.pass_s(31)
    (second,) = receive(backend, 1)

    backend.delete_message("q", first.receipt_handle)
    backend.delete_message("q", second.receipt_handle)

    assert backend.get_queue("q")._messages == []
    with pytest.raises(ReceiptHandleIsInvalid):
        backend.delete_message("q", "unknown")


def test_a_send_and_a_receive_look_at_each_message_of_a_backlog_a_few_times(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(backend, "acme", 100)
    looks = 0
    survey = storage_queues._survey

    def counted(queue: Any) -> Any:
        nonlocal looks
        looks += 1
        return survey(queue)

    monkeypatch.setattr(storage_queues, "_survey", counted)

    send(backend, "acme", 1)
    receive(backend, 10)

    assert looks <= 8
