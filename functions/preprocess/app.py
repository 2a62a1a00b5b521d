"""PreprocessFunction: uploads (S3 events through SQS) into tensors and inference messages."""

from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.observability import (
    RECORDED_FAILURES,
    UPLOADS,
    count,
    log_refusal,
    logger,
    metrics,
)
from lambent.runtime.records import process_records
from lambent.runtime.wiring import ingest_service
from lambent.services.ingest import Upload


def record_handler(record: SQSRecord) -> None:
    """Ingest the objects that one S3 notification names; S3's test event names none."""
    for created in record.json_body.get("Records", []):
        ingest(S3EventRecord(created))


def ingest(created: S3EventRecord) -> None:
    """Ingest one object; keys arrive URL-encoded."""
    upload = Upload(unquote_plus(created.s3.get_object.key), created.s3.get_object.etag or "")
    error = ingest_service().ingest(upload)
    count(UPLOADS)
    if error is not None:
        log_refusal("upload refused", error)
        count(RECORDED_FAILURES)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(event, context, record_handler)
