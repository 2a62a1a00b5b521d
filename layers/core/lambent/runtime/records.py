"""SQS batches, record by record: only those that failed come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.domain.model import Target
from lambent.errors import EnvelopeInvalid, LambentError, ProcessingCrashed, ProcessingGaveUp
from lambent.runtime.deliveries import Delivery, GivenUp, StaysInQueue
from lambent.runtime.foreign_events import check_messages, receives_of
from lambent.runtime.observability import (
    MESSAGES,
    PREDICTIONS,
    RECORDED_FAILURES,
    count,
    log_refusal,
    logger,
    record,
)
from lambent.runtime.record_time import RECORD_TIME
from lambent.runtime.stall_watch import watching
from lambent.runtime.time_left import of_events

if TYPE_CHECKING:
    from lambent.ports import HeldMessages, Queue

E = TypeVar("E")
# SQS takes ten attributes with a message, of which two are the reason's.
_MOST_KEPT_ATTRIBUTES = 8
_MOST_REASON_CHARACTERS = 512


_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def process_records(
    event: dict[str, Any],
    context: LambdaContext,
    record_handler: Callable[[Delivery], LambentError | None],
    dead_letters: Callable[[], Queue],
    *,
    max_receives: Callable[[], int],
    queue: Callable[[], HeldMessages] | None = None,
) -> dict[str, Any]:
    """Give each record to ``record_handler`` and return the partial-batch response.

    A record whose handler raises a final error goes to the dead-letter queue at once, with the reason: the same message
    would meet the same error again. One whose handler raises anything else is logged and comes back to its queue, until
    the queue's redrive policy moves it there. One that its handler has given up, or whose recorded failure is that no
    process survives it, goes there at once as well.

    Parameters
    ----------
    record_handler   returns the permanent error that it has recorded as the record's outcome, if there is one
    dead_letters     returns the dead-letter queue of the queue whose records these are
    max_receives     returns how often that queue gives out a message
    queue            returns that queue, where what the records hold is computed in watched blocks; see `StallWatch`

    Raises
    ------
    EventUnknown   the event has no messages of SQS, or something else beside them; no record was handled
    """
    check_messages(event)

    receives = [receives_of(each) for each in event["Records"]]
    is_suspect, left = max(receives) > 1, iter(range(len(receives), 0, -1))

    def handle(record: SQSRecord) -> None:
        count(MESSAGES)
        among = next(left)
        if is_suspect:
            RECORD_TIME.begin(context.get_remaining_time_in_millis(), among=among)
        received = receives[-among]
        try:
            is_last = received > 1 and received >= max_receives()
            _handle(Delivery(record, received, is_suspect, is_last), record_handler, dead_letters)
        except StaysInQueue:
            raise
        except Exception:
            # Powertools keeps the exception to itself; without this line a failing record leaves no trace.
            logger.exception("record failed", receive_count=record.attributes.approximate_receive_count)
            raise

    with of_events(context), nullcontext() if queue is None else watching(event, context, queue):
        response: dict[str, Any] = process_partial_response(  # type: ignore[assignment]
            event=event, record_handler=handle, processor=_processor, context=context
        )
    return response


def _handle(
    delivery: Delivery,
    record_handler: Callable[[Delivery], LambentError | None],
    dead_letters: Callable[[], Queue],
) -> None:
    try:
        error = record_handler(delivery)
    except GivenUp as end:
        count(RECORDED_FAILURES)
        error = end.error
    except LambentError as refusal:
        if not refusal.is_final:
            raise
        log_refusal("message refused", refusal)
        bury(delivery.record, refusal.code, _reason(refusal), dead_letters())
        return
    # Their owners know; operators shall, too.
    if isinstance(error, ProcessingCrashed | ProcessingGaveUp):
        bury(delivery.record, error.code, _reason(error), dead_letters())


def handle_each(events: Sequence[E], handle: Callable[[E], LambentError | None]) -> LambentError | None:
    """Handle all that one message tells of; what fails is raised once all the others are done.

    A message that can still succeed comes back whole; its other events' outcomes are the same the second time.

    Returns
    -------
    the permanent error of the first one that no process survives, if there is one
    """
    failures: list[Exception] = []
    crash: LambentError | None = None
    for position, event in enumerate(events):
        RECORD_TIME.part(len(events) - position)
        try:
            error = handle(event)
        except Exception as failure:  # noqa: BLE001 - raised below: one must not keep its neighbours waiting
            failures.append(failure)
        else:
            crash = crash or (error if isinstance(error, ProcessingCrashed) else None)
    for worst in sorted(failures, key=lambda each: isinstance(each, LambentError) and each.is_final):
        raise worst
    return crash


def bury(record: SQSRecord, code: str, reason: str, dead_letters: Queue) -> None:
    """Put a record's message into the dead-letter queue with the reason; raises Unavailable.

    Its attributes of text and its group go along, so that a redriven message still has its envelope and its tenant.
    """
    texts = {name: text for name, each in _attributes(record).items() if (text := _text(each)) is not None}
    kept = dict(list(texts.items())[:_MOST_KEPT_ATTRIBUTES])
    # SQS refuses a whole message for one control character in an attribute.
    told = "".join(character if character.isprintable() else "?" for character in reason)[:_MOST_REASON_CHARACTERS]
    body = record.body.encode(errors="replace")
    group = record.attributes.message_group_id
    dead_letters.send(body, group=group, attributes={**kept, "reason_code": code, "reason": told or code})


def text_attribute(record: SQSRecord, name: str) -> str | None:
    """Return a message's attribute, None without it; raises EnvelopeInvalid for one that is no text."""
    attribute = _attributes(record).get(name)
    if attribute is None:
        return None
    text = _text(attribute)
    if text is None:
        raise EnvelopeInvalid(
            f"The message attribute {name} is a text that is not empty: send it with the DataType String.", field=name
        )
    return text


def _attributes(record: SQSRecord) -> dict[str, Any]:
    return record.get("messageAttributes") or {}


def _text(attribute: Any) -> str | None:
    """Return what an attribute of type String holds; a type may have a label of the sender's behind a dot."""
    if not isinstance(attribute, dict) or str(attribute.get("dataType")).partition(".")[0] != "String":
        return None
    text = attribute.get("stringValue")
    return text if isinstance(text, str) and text else None


def _reason(error: LambentError) -> str:
    return error.detail if error.field is None else f"{error.detail} At: {error.field}"


def tell_outcome(what: str, error: LambentError | None, target: Target | None) -> None:
    """Log and count what became of a message: a prediction, or a recorded failure, of the version that it went to."""
    if error is not None:
        log_refusal(f"{what} refused", error, target=target)
    record(f"{what} done", {PREDICTIONS if error is None else RECORDED_FAILURES: 1}, target=target)
