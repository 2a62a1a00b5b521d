"""SweepFunction: the schedule's healing, and the reader of dead letters; never imports numpy."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from dead_letters import read_dead_letters

from lambent.domain.job import Job
from lambent.errors import LambentError
from lambent.runtime.foreign_events import check_schedule
from lambent.runtime.observability import SWEEPS, count, logger, metrics
from lambent.runtime.time_left import of_events
from lambent.runtime.wiring import sweep_service


def note(job: Job, error: LambentError) -> None:
    """Log a job that could not be healed this time."""
    logger.error("not healed", tenant=job.tenant, job_id=job.job_id, code=error.code, detail=error.detail)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Sweep once, by the schedule or by hand; raises EventUnknown for anything else that comes here.

    Raises
    ------
    EventUnknown   the event is no schedule's
    Unavailable    there are dead letters that could not be recorded; all else was done
    """
    check_schedule(event)
    with of_events(context):
        report = asdict(sweep_service().sweep(on_error=note))
    count(SWEEPS)
    report["dead_letters"] = read_dead_letters(context).recorded
    logger.info("swept", **report)
    return report
