"""DispatchFunction: batch requests (SQS) into planned jobs; never imports numpy."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.deliveries import Delivery
from lambent.runtime.observability import JOBS_ACCEPTED, count, logger, metrics
from lambent.runtime.records import process_records, text_attribute
from lambent.runtime.wiring import batch_dead_letters, dispatch_service, dispatch_settings

UNPLANNED = "the process that worked on it was ended, or what it depends on did not answer."


def record_handler(delivery: Delivery) -> None:
    """Dispatch one request; one that belongs to no job goes to the dead-letter queue with its reason.

    At the last receive a request that no attempt has planned is recorded as failed, and not tried: reading it may be
    what ends the process, and then nobody would be told.
    """
    tenant, body = text_attribute(delivery.record, "tenant"), delivery.record.body
    give_up = partial(dispatch_service().give_up, tenant, body)
    with delivery.giving_up_last(give_up):
        if delivery.is_last and not dispatch_service().is_planned(tenant, body):
            delivery.give_up(give_up, UNPLANNED)
        job = dispatch_service().dispatch(tenant, body)
    count(JOBS_ACCEPTED)
    logger.info("dispatched", tenant=job.tenant, job_id=job.job_id)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(
        event, context, record_handler, batch_dead_letters, max_receives=lambda: dispatch_settings().max_receive_count
    )
