"""Queues of the storage process: moto's, made fast and prompt, with waits that can be shortened."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs import models as sqs
from moto.sqs.exceptions import ReceiptHandleIsInvalid

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
