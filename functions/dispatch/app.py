"""DispatchFunction: batch requests (SQS) into planned jobs; never imports numpy."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.observability import JOBS_ACCEPTED, count, logger, metrics
from lambent.runtime.records import process_records, text_attribute
from lambent.runtime.wiring import batch_dead_letters, dispatch_service


def record_handler(record: SQSRecord) -> None:
    """Dispatch one request; one that belongs to no job goes to the dead-letter queue with its reason."""
    job = dispatch_service().dispatch(text_attribute(record, "tenant"), record.body)
    count(JOBS_ACCEPTED)
    logger.info("dispatched", tenant=job.tenant, job_id=job.job_id)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(event, context, record_handler, batch_dead_letters)
