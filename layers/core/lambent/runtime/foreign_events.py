"""Events of a form that a function does not take: refused with what they are, and never counted as done.

Whoever waits for an answer by HTTP gets one. For everybody else the invocation fails with the error's code and text:
its caller sees them, and Lambda keeps an asynchronous event in the function's dead-letter queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from lambent.contracts.event_kinds import kind_of
from lambent.errors import EventUnknown
from lambent.runtime.observability import log_refusal

_MESSAGES = "aws:sqs"
# Of a rule of EventBridge, and of EventBridge Scheduler.
_SCHEDULED = (("aws.events", "Scheduled Event"), ("aws.scheduler", "Scheduled Event"))


def check_messages(event: Any) -> None:
    """Raise EventUnknown unless an event holds messages of SQS, as its event source mapping sends them, only."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records or not all(_is_message(record) for record in records):
        refuse(event, "messages of SQS")


def receives_of(message: Mapping[str, Any]) -> int:
    """Return how often a message of SQS was received, this time included."""
    return int(message["attributes"].get("ApproximateReceiveCount") or 1)


def check_schedule(event: Any) -> None:
    """Raise EventUnknown unless an event is a schedule's, or ``{}``, by which somebody starts a function by hand."""
    if event == {}:
        return
    told = (event.get("source"), event.get("detail-type")) if isinstance(event, Mapping) else ()
    if told not in _SCHEDULED:
        refuse(event, "the event of a schedule, or {}")


def unknown(event: Any, wanted: str) -> EventUnknown:
    """Return the error of an event that is not ``wanted``, or that is in part only."""
    got = kind_of(event)
    parts = " with fields of other types" if got.removeprefix("a ") in wanted else ""
    return EventUnknown(f"This function takes {wanted}; it got {got}{parts}.", limit=wanted, got=got)


def refuse(event: Any, wanted: str) -> NoReturn:
    """Log and count an event that is not ``wanted``, and fail its invocation."""
    error = unknown(event, wanted)
    log_refusal("event refused", error)
    raise error


def _is_message(record: Any) -> bool:
    return (
        isinstance(record, Mapping)
        and record.get("eventSource") == _MESSAGES
        and isinstance(record.get("messageId"), str)
        and isinstance(record.get("body"), str)
        and isinstance(record.get("attributes"), Mapping)
        and isinstance(record.get("messageAttributes", {}), Mapping | None)
    )
