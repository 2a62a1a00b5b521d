"""JobEventsFunction: AWS Batch state changes (EventBridge) into job records; never imports numpy."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.observability import JOB_EVENTS, count, logger, metrics
from lambent.runtime.wiring import track_service
from lambent.services.track import BatchStateChange


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Apply one "Batch Job State Change"; jobs of others on the same queue carry no tenant and are passed over."""
    detail = EventBridgeEvent(event).detail
    count(JOB_EVENTS)
    parameters = detail.get("parameters", {})
    if not parameters.get("tenant") or not parameters.get("job_id"):
        logger.info("foreign batch job", status=detail["status"])
        return
    change = BatchStateChange(
        tenant=parameters["tenant"],
        job_id=parameters["job_id"],
        batch_job_id=detail["jobId"],
        status=detail["status"],
        is_child="index" in detail.get("arrayProperties", {}),
    )
    track_service().apply(change)
    logger.info("tracked", tenant=change.tenant, job_id=change.job_id, status=change.status)
