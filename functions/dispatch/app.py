"""DispatchFunction: batch requests (SQS) into planned jobs; never imports numpy."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.errors import EnvelopeInvalid, JobIdReused
from lambent.runtime.observability import JOBS_ACCEPTED, count, log_refusal, logger, metrics
from lambent.runtime.records import process_records
from lambent.runtime.wiring import batch_dead_letters, dispatch_service


def record_handler(record: SQSRecord) -> None:
    """Dispatch one request; one that belongs to no job goes to the dead-letter queue with its reason."""
    tenant = record.message_attributes["tenant"]  # `get` would give a plain dict
    try:
        job = dispatch_service().dispatch(tenant.string_value if tenant else None, record.body)
    except (EnvelopeInvalid, JobIdReused) as error:
        log_refusal("batch request refused", error)
        reason = {"reason_code": error.code, "reason": error.detail[:512]}
        # The tenant goes along, so that a redriven message still has its envelope.
        envelope = {"tenant": tenant.string_value} if tenant and tenant.string_value else {}
        batch_dead_letters().send(record.body.encode(), attributes={**envelope, **reason})
        return
    count(JOBS_ACCEPTED)
    logger.info("dispatched", tenant=job.tenant, job_id=job.job_id)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(event, context, record_handler)
