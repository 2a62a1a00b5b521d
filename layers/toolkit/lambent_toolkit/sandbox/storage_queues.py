"""Queues of the storage process: moto's, made fast, prompt and fair, with waits that can be shortened."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs import models as sqs
from moto.sqs.exceptions import ReceiptHandleIsInvalid

from lambent_toolkit.sandbox.fair_groups import ConsumerTime, InFlight, fair_order
from lambent_toolkit.sandbox.lineage import TRACE_ATTRIBUTE
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

_trace_header: ContextVar[str | None] = ContextVar("trace_header", default=None)
VISIBILITY_CHECK_S = 0.1
MIN_WAIT_S = 1


def tame_sqs() -> None:
    """Make queues fast with a backlog, prompt after a visibility timeout, and leave Lambda to our poller."""
    # moto computes every queue attribute over all messages for each delivered one.
    sqs.SQSBackend.is_message_valid_based_on_retention_period = lambda *_a, **_k: True  # type: ignore[method-assign]
    wait = sqs.Queue.wait_for_messages

    def wait_briefly(queue: sqs.Queue, timeout: float) -> None:
        """Look often: a message that becomes visible again wakes nobody."""
        wait(queue, min(timeout, VISIBILITY_CHECK_S))  # type: ignore[arg-type]

    sqs.Queue.wait_for_messages = wait_briefly  # type: ignore[method-assign, assignment]
    _keep_trace_headers()
    _deliver_fairly()
    # A queue that forgets its mappings: moto would invoke and delete inside SendMessage.
    sqs.Queue.lambda_event_source_mappings = property(lambda _queue: {}, lambda _queue, _value: None)  # type: ignore[assignment]


@contextmanager
def tracing(header: str | None) -> Iterator[None]:
    """Give every message that is sent in this block, by SQS itself or by S3 or SNS, the trace header of its call."""
    token = _trace_header.set(header)
    try:
        yield
    finally:
        _trace_header.reset(token)


def _keep_trace_headers() -> None:
    add = sqs.Queue.add_message

    @functools.wraps(add)
    def add_message(queue: sqs.Queue, message: sqs.Message) -> None:
        header = _trace_header.get()
        if header is not None:
            traced = {TRACE_ATTRIBUTE: {"DataType": "String", "StringValue": header}}
            message.system_attributes = {**traced, **(message.system_attributes or {})}
        add(queue, message)

    sqs.Queue.add_message = add_message  # type: ignore[method-assign]


def _deliver_fairly() -> None:
    """Deliver in the order of fair queues, and look at each message once where moto asks it for the time thrice."""
    queue, message = sqs.Queue, sqs.Message
    queue.messages = property(_in_order)  # type: ignore[assignment]
    queue.approximate_number_of_messages = property(lambda each: len(_survey(each).waiting))  # type: ignore[assignment]
    queue.approximate_number_of_messages_not_visible = property(lambda each: len(_survey(each).hidden))  # type: ignore[assignment]
    queue.approximate_number_of_messages_delayed = property(lambda each: _survey(each).delayed)  # type: ignore[assignment]
    queue.delete_message = _delete  # type: ignore[method-assign]
    receive = message.mark_received

    @functools.wraps(receive)
    def mark_received(each: sqs.Message, *args: Any, **kwargs: Any) -> None:
        each.taken_s = unix_time_millis() / 1000  # type: ignore[attr-defined]
        receive(each, *args, **kwargs)

    message.mark_received = mark_received  # type: ignore[method-assign]


@dataclass(frozen=True)
class _Survey:
    """A queue's messages at one moment; ``hidden`` are those that nobody may receive now."""

    waiting: list[sqs.Message]
    hidden: list[sqs.Message]
    delayed: int
    now_s: float


def _survey(queue: sqs.Queue) -> _Survey:
    now_ms = unix_time_millis()
    waiting: list[sqs.Message] = []
    hidden: list[sqs.Message] = []
    delayed = 0
    for message in tuple(queue._messages):  # noqa: SLF001 - moto counts by looking at each message thrice
        if now_ms <= message.visible_at:
            hidden.append(message)
        elif now_ms < message.delayed_until:
            delayed += 1
        else:
            waiting.append(message)
    return _Survey(waiting, hidden, delayed, now_ms / 1000)


def _in_order(queue: sqs.Queue) -> list[sqs.Message]:
    survey = _survey(queue)
    groups = {message.group_id for message in survey.waiting}
    if queue.fifo_queue or len(groups) < 2:  # noqa: PLR2004 - one group has nobody to wait for
        return survey.waiting
    in_flight = [_taken(message) for message in survey.hidden]
    noisy = _consumer_time(queue).noisy(in_flight, groups, survey.now_s)
    counts = Counter(each.group for each in in_flight if each.group is not None)
    return fair_order([(message.group_id, message) for message in survey.waiting], noisy, counts)


def _taken(message: sqs.Message) -> InFlight:
    return InFlight(message.group_id, message.taken_s)  # type: ignore[attr-defined]


def _consumer_time(queue: sqs.Queue) -> ConsumerTime:
    return queue.__dict__.setdefault("consumer_time", ConsumerTime())  # type: ignore[no-any-return]


def _delete(queue: sqs.Queue, receipt: str) -> None:
    """Delete one message, in the lock of those who send: moto's own way can lose what is sent meanwhile."""
    with queue._messages_lock:  # noqa: SLF001 - what there is stands nowhere else
        if receipt in queue.deleted_messages:
            return
        found = next((each for each in queue._messages if each.had_receipt_handle(receipt)), None)  # noqa: SLF001
        if found is None:
            raise ReceiptHandleIsInvalid
        queue._messages.remove(found)  # noqa: SLF001
        queue.pending_messages.discard(found)
        queue.deleted_messages.update(each for each in found.all_receipt_handles if each)
    _consumer_time(queue).add(_taken(found), unix_time_millis() / 1000)


def shorten_waits(order: dict[str, Any]) -> None:
    """Shorten what is left of the time for which messages are hidden, whether the queue or their function set it.

    Parameters
    ----------
    order    ``queue`` (its name), ``receipts`` of the messages, ``scale``: the part of the time that is waited
    """
    backend = sqs.sqs_backends[ACCOUNT_ID][REGION]
    queue = backend.get_queue(order["queue"])
    for receipt in order["receipts"]:
        known = list(queue._messages)  # noqa: SLF001 - what is hidden stands nowhere else
        found = next((message for message in known if message.had_receipt_handle(receipt)), None)
        if found is None:
            continue
        left_s = (found.visible_at - unix_time_millis()) / 1000
        wait_s = max(MIN_WAIT_S, round(left_s * order["scale"]))
        try:
            backend.change_message_visibility(order["queue"], receipt, wait_s)
        except ReceiptHandleIsInvalid:
            continue  # deleted in this moment
