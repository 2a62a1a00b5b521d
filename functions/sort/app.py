"""SortFunction: S3's upload events into their tenants' groups, for PreprocessFunction."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.foreign_events import check_messages, receives_of
from lambent.runtime.observability import MESSAGES, count, logger, metrics
from lambent.runtime.time_left import of_events
from lambent.runtime.wiring import sort_settings, sort_uploads_service
from lambent.services.sort_uploads import UploadEvent


def as_event(record: dict[str, Any]) -> UploadEvent:
    """Return a message; one that is received for the last time is passed on as it is, or nobody would hear of it."""
    count(MESSAGES)
    received = receives_of(record)
    is_last = received > 1 and received >= sort_settings().max_receive_count
    return UploadEvent(record["messageId"], record["body"], is_opaque=is_last)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Pass a batch on; only the messages that the next queue did not take come back."""
    check_messages(event)
    with of_events(context):
        failed = sort_uploads_service().sort([as_event(record) for record in event["Records"]])
    for message_id, error in failed.items():
        logger.warning("upload not sorted", message_id=message_id, code=error.code, detail=error.detail)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
