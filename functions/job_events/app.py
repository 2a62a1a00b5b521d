"""JobEventsFunction: AWS Batch's events (EventBridge) into job records; never imports numpy."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.domain.waiting import QueueBlock
from lambent.runtime.observability import JOB_EVENTS, count, logger, metrics
from lambent.runtime.wiring import track_service
from lambent.runtime.wiring_jobs import note_block_service
from lambent.services.track import BatchStateChange

_BLOCKED = "Batch Job Queue Blocked"


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Apply one event: a state change of a job, or that a job blocks its queue."""
    told = EventBridgeEvent(event)
    count(JOB_EVENTS)
    if told.get("detail-type") == _BLOCKED:
        _note_block(told)
    else:
        _track(told.detail)


def _note_block(told: EventBridgeEvent) -> None:
    """Remember the block, whosever job it is: it keeps all others waiting."""
    reason = told.detail.get("statusReason") or "no reason was told"
    note_block_service().note(QueueBlock(told.detail["jobId"], told.time, reason))
    logger.warning("job queue blocked", batch_job_id=told.detail["jobId"], reason=reason)


def _track(detail: dict[str, Any]) -> None:
    """Apply a state change; jobs of others on the same queue carry no tenant and are passed over."""
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
