"""PreprocessFunction: uploads (S3 events through SQS) into tensors and inference messages."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.object_events import ObjectEvent, read_object_events
from lambent.domain.uploads import check_event
from lambent.errors import LambentError
from lambent.runtime.observability import (
    RECORDED_FAILURES,
    UPLOADS,
    count,
    log_refusal,
    logger,
    metrics,
)
from lambent.runtime.records import process_records
from lambent.runtime.tenant_groups import without_sorted
from lambent.runtime.wiring import ingest_service, preprocess_settings, sort_uploads_service, upload_dead_letters
from lambent.services.ingest import Upload


def record_handler(record: SQSRecord) -> None:
    """Ingest the objects that a message tells of; what cannot be ingested is raised once all the others are."""
    failures: list[Exception] = []
    for event in read_object_events(record.body):
        try:
            ingest(event)
        except Exception as error:  # noqa: BLE001 - raised below: one object must not keep its neighbours waiting
            failures.append(error)
    # A message that can still succeed comes back whole; its objects' outcomes are the same the second time.
    for error in sorted(failures, key=lambda each: isinstance(each, LambentError) and each.is_final):
        raise error


def ingest(event: ObjectEvent | LambentError) -> None:
    """Ingest one object; raises EventUnknown and EventForeign for what is no upload."""
    if isinstance(event, LambentError):
        raise event
    check_event(event, bucket=preprocess_settings().data_bucket)
    error = ingest_service().ingest(Upload(event.key, event.etag, event.sequencer))
    count(UPLOADS)
    if error is not None:
        log_refusal("upload refused", error)
        count(RECORDED_FAILURES)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back. In a backlog, messages are put into groups first."""
    event = without_sorted(event, sort_uploads_service)
    if not event["Records"]:
        return {"batchItemFailures": []}
    return process_records(event, context, record_handler, upload_dead_letters)
