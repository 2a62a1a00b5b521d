"""JobEventsFunction: AWS Batch's events (EventBridge) into job records; never imports numpy."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.batch_events import BLOCKED, BatchChange, BatchEvent, read_batch_event
from lambent.domain.names import is_name
from lambent.domain.waiting import QueueBlock
from lambent.errors import EventUnknown
from lambent.runtime.observability import JOB_EVENTS, count, log_refusal, logger, metrics
from lambent.runtime.time_left import of_events
from lambent.runtime.wiring import track_service
from lambent.runtime.wiring_jobs import note_block_service
from lambent.services.track import BatchStateChange


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Apply one event: a state change of a job, or that a job blocks its queue; raises EventUnknown for any other."""
    try:
        told = read_batch_event(event)
    except EventUnknown as error:
        log_refusal("event refused", error)
        raise
    count(JOB_EVENTS)
    with of_events(context):
        if told.kind == BLOCKED:
            _note_block(told)
        else:
            _track(told.detail)


def _note_block(told: BatchEvent) -> None:
    """Remember the block, whosever job it is: it keeps all others waiting."""
    reason = told.detail.status_reason or "no reason was told"
    note_block_service().note(QueueBlock(told.detail.job_id, told.time, reason))
    logger.warning("job queue blocked", batch_job_id=told.detail.job_id, reason=reason)


def _track(detail: BatchChange) -> None:
    """Apply a state change; jobs of others on the same queue carry no tenant and are passed over."""
    parameters = detail.parameters or {}
    if not is_name(parameters.get("tenant", "")) or not parameters.get("job_id"):
        logger.info("foreign batch job", status=detail.status)
        return
    change = BatchStateChange(
        tenant=parameters["tenant"],
        job_id=parameters["job_id"],
        batch_job_id=detail.job_id,
        status=detail.status,
        is_child="index" in (detail.array_properties or {}),
    )
    track_service().apply(change)
    logger.info("tracked", tenant=change.tenant, job_id=change.job_id, status=change.status)
