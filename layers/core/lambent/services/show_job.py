"""What is told of a job."""

from __future__ import annotations

import msgspec

from lambent.contracts.batch_request import BatchRequest, OutputOptions, is_job_id
from lambent.contracts.job_views import JobView, ShardCounts, ShardView, WaitingView
from lambent.contracts.notifications import NotificationView, WebhookView
from lambent.contracts.quotes import Estimate, Receipt
from lambent.domain.job import Job, JobKind, ShardProgress
from lambent.domain.pace import Pace, pace_of
from lambent.domain.timestamps import to_timestamp
from lambent.domain.waiting import Waiting
from lambent.errors import JobNotFound
from lambent.ports import Clock, JobStore
from lambent.services.why_waiting import WhyWaitingService

# A job may have 10,000 shards; more than this nobody reads, and an answer has its limit.
MAX_SHARDS_SHOWN = 100


class ShowJobService:
    """Reads jobs of one tenant at a time."""

    def __init__(self, jobs: JobStore, *, why: WhyWaitingService, clock: Clock) -> None:
        self._jobs = jobs
        self._why = why
        self._clock = clock

    def show(self, tenant: str, job_id: str) -> JobView:
        """Return a job; another tenant's id answers exactly as an unknown one: JobNotFound.

        One row of 230 bytes a shard is read: of a job of 10,000 shards three pages, and half a second of work on them.
        """
        job = find_job(self._jobs, tenant, job_id)
        now_s = self._clock.epoch_s()
        return view(job, pace=pace_of(job, now_s=now_s), waiting=self._why.why(job), now_s=now_s)


def output_of(job: Job) -> OutputOptions | None:
    """Return how a batch's results are written; None for a call."""
    if job.kind is JobKind.CALL:
        return None
    # Our own record: no need to check its JSON again.
    return msgspec.json.decode(job.request, type=BatchRequest).output_options


def find_job(jobs: JobStore, tenant: str, job_id: str) -> Job:
    """Return a job that a caller names; raises JobNotFound, for another tenant's id exactly as for an unknown one."""
    # What cannot be an id is not looked up: the table refuses keys beyond its own limits as a fault of the service.
    job = jobs.get(tenant, job_id) if is_job_id(job_id) else None
    if job is None:
        raise JobNotFound("There is no such job.", field="id")
    return job


def view(job: Job, *, pace: Pace | None = None, waiting: Waiting | None = None, now_s: float | None = None) -> JobView:
    """Return the job as the API shows it; its pace and why it waits are left to the caller."""
    rate, eta_s = (pace.rate, pace.eta_s) if pace is not None else (None, None)
    return JobView(
        id=job.job_id,
        kind=job.kind.value,
        state=job.state.value,
        model=job.model,
        version=str(job.version) if job.version is not None else None,
        lane=job.lane,
        output=output_of(job),
        priority=job.priority,
        deadline=to_timestamp(job.deadline_s) if job.deadline_s is not None else None,
        parent=job.parent,
        total=job.total,
        done=job.done,
        failed=job.failed,
        rate=_rounded(rate),
        eta_s=_rounded(eta_s),
        estimated_end=to_timestamp(now_s + eta_s) if now_s is not None and eta_s is not None else None,
        waiting=WaitingView(code=waiting.code.value, detail=waiting.detail) if waiting is not None else None,
        shard_counts=_counts(job),
        shards=[_shard_view(shard, job) for shard in _shown(job.progress)],
        created_at=job.created_at,
        updated_at=job.updated_at,
        why=job.why,
        error=job.error,
        result=f"/jobs/{job.job_id}/result" if job.kind is JobKind.CALL and job.state.is_terminal else None,
        notification=_notification(job),
        estimate=msgspec.convert(job.estimate, Estimate | None),
        receipt=msgspec.convert(job.receipt, Receipt | None),
    )


def _notification(job: Job) -> NotificationView | None:
    if job.webhook is None:
        return None
    return NotificationView(webhook=msgspec.convert(job.webhook, WebhookView, from_attributes=True))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _counts(job: Job) -> ShardCounts | None:
    if job.shards is None:
        return None
    finished = len(job.finished_shards)
    # Nothing runs once a job has ended; what had begun then is not going to be finished.
    running = 0 if job.state.is_terminal else len(job.progress) - finished
    return ShardCounts(waiting=job.shards - finished - running, running=running, finished=finished)


def _shown(progress: tuple[ShardProgress, ...]) -> list[ShardProgress]:
    return sorted(progress, key=lambda shard: (shard.is_finished, shard.shard))[:MAX_SHARDS_SHOWN]


def _shard_view(shard: ShardProgress, job: Job) -> ShardView:
    unfinished = "STOPPED" if job.state.is_terminal else "RUNNING"
    return ShardView(
        shard=shard.shard,
        state="FINISHED" if shard.is_finished else unfinished,
        done=shard.done,
        failed=shard.failed,
    )
