"""SQS batches, record by record: only those that failed come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.domain.model import Target
from lambent.errors import LambentError
from lambent.runtime.observability import (
    MESSAGES,
    PREDICTIONS,
    RECORDED_FAILURES,
    count,
    log_refusal,
    logger,
    record,
)


class StaysInQueue(Exception):
    """Raised by a record's handler that wants the record again later: nothing has failed."""


_processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def process_records(
    event: dict[str, Any], context: LambdaContext, record_handler: Callable[[SQSRecord], None]
) -> dict[str, Any]:
    """Give each record to ``record_handler`` and return the partial-batch response.

    A record whose handler raises is logged and comes back to its queue, until the queue's redrive policy moves it to
    the dead-letter queue.
    """

    def handle(record: SQSRecord) -> None:
        count(MESSAGES)
        try:
            record_handler(record)
        except StaysInQueue:
            raise
        except Exception:
            # Powertools keeps the exception to itself; without this line a failing record leaves no trace.
            logger.exception("record failed", receive_count=record.attributes.approximate_receive_count)
            raise

    response: dict[str, Any] = process_partial_response(  # type: ignore[assignment]
        event=event, record_handler=handle, processor=_processor, context=context
    )
    return response


def tell_outcome(what: str, error: LambentError | None, target: Target | None) -> None:
    """Log and count what became of a message: a prediction, or a recorded failure, of the version that it went to."""
    if error is not None:
        log_refusal(f"{what} refused", error, target=target)
    record(f"{what} done", {PREDICTIONS if error is None else RECORDED_FAILURES: 1}, target=target)
