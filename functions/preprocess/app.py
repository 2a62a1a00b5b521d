"""PreprocessFunction: uploads (S3 events, sorted by tenant) into tensors and inference messages."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.object_events import ObjectEvent, read_object_events
from lambent.domain.uploads import check_event
from lambent.errors import LambentError
from lambent.runtime.deliveries import Delivery
from lambent.runtime.observability import (
    RECORDED_FAILURES,
    UPLOADS,
    count,
    log_refusal,
    logger,
    metrics,
)
from lambent.runtime.records import handle_each, process_records
from lambent.runtime.wiring import (
    ingest_service,
    isolated_ingest_service,
    preprocess_queue,
    preprocess_settings,
    upload_dead_letters,
)
from lambent.services.ingest import Upload


def record_handler(delivery: Delivery) -> LambentError | None:
    """Ingest the objects that a message tells of; return the error of one that no process survives, if there is one."""
    return handle_each(read_object_events(delivery.record.body), partial(ingest, delivery))


def ingest(delivery: Delivery, event: ObjectEvent | LambentError) -> LambentError | None:
    """Ingest one object and return the permanent error that is its outcome; at its last receive, any error is.

    Raises
    ------
    EventUnknown, EventForeign   it is no upload
    """
    if isinstance(event, LambentError):
        raise event
    check_event(event, bucket=preprocess_settings().data_bucket)
    upload = Upload(event.key, event.etag, event.sequencer)
    with delivery.giving_up_last(lambda error: ingest_service().give_up(upload, error)):
        service = isolated_ingest_service() if delivery.is_suspect else ingest_service()
        error = service.ingest(upload)
    count(UPLOADS)
    if error is not None:
        log_refusal("upload refused", error)
        count(RECORDED_FAILURES)
    return error


def max_receives() -> int:
    """Return how often PreprocessQueue gives out a message."""
    return preprocess_settings().max_receive_count


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(
        event, context, record_handler, upload_dead_letters, max_receives=max_receives, queue=preprocess_queue
    )
