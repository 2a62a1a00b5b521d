"""SQS batches, record by record: only those that failed come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.domain.model import Target
from lambent.errors import EnvelopeInvalid, LambentError
from lambent.runtime.foreign_events import check_messages
from lambent.runtime.observability import (
    MESSAGES,
    PREDICTIONS,
    RECORDED_FAILURES,
    count,
    log_refusal,
    logger,
    record,
)
from lambent.runtime.time_left import of_events

if TYPE_CHECKING:
    from lambent.ports import Queue

# SQS takes ten attributes with a message, of which two are the reason's.
_MOST_KEPT_ATTRIBUTES = 8
_MOST_REASON_CHARACTERS = 512


class StaysInQueue(Exception):
    """Raised by a record's handler that wants the record again later: nothing has failed."""


_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def process_records(
    event: dict[str, Any],
    context: LambdaContext,
    record_handler: Callable[[SQSRecord], None],
    dead_letters: Callable[[], Queue],
) -> dict[str, Any]:
    """Give each record to ``record_handler`` and return the partial-batch response.

    A record whose handler raises a final error goes to the dead-letter queue at once, with the reason: the same message
    would meet the same error again. One whose handler raises anything else is logged and comes back to its queue, until
    the queue's redrive policy moves it there.

    Parameters
    ----------
    dead_letters   returns the dead-letter queue of the queue whose records these are

    Raises
    ------
    EventUnknown   the event has no messages of SQS, or something else beside them; no record was handled
    """
    check_messages(event)

    def handle(record: SQSRecord) -> None:
        count(MESSAGES)
        try:
            _handle(record, record_handler, dead_letters)
        except StaysInQueue:
            raise
        except Exception:
            # Powertools keeps the exception to itself; without this line a failing record leaves no trace.
            logger.exception("record failed", receive_count=record.attributes.approximate_receive_count)
            raise

    with of_events(context):
        response: dict[str, Any] = process_partial_response(  # type: ignore[assignment]
            event=event, record_handler=handle, processor=_processor, context=context
        )
    return response


def _handle(record: SQSRecord, record_handler: Callable[[SQSRecord], None], dead_letters: Callable[[], Queue]) -> None:
    try:
        record_handler(record)
    except LambentError as error:
        if not error.is_final:
            raise
        log_refusal("message refused", error)
        bury(record, error.code, _reason(error), dead_letters())


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
