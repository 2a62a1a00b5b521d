"""What is told of a job."""

from __future__ import annotations

import msgspec

from lambent.contracts.batch_request import is_job_id
from lambent.contracts.jobs import JobView, ShardView
from lambent.contracts.notifications import NotificationView, WebhookView
from lambent.contracts.quotes import Estimate, Receipt
from lambent.domain.job import Job, JobKind
from lambent.errors import JobNotFound
from lambent.ports import JobStore


class ShowJobService:
    """Reads jobs of one tenant at a time."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def show(self, tenant: str, job_id: str) -> JobView:
        """Return a job; another tenant's id answers exactly as an unknown one: JobNotFound."""
        return view(find_job(self._jobs, tenant, job_id))


def find_job(jobs: JobStore, tenant: str, job_id: str) -> Job:
    """Return a job that a caller names; raises JobNotFound, for another tenant's id exactly as for an unknown one."""
    # What cannot be an id is not looked up: the table refuses keys beyond its own limits as a fault of the service.
    job = jobs.get(tenant, job_id) if is_job_id(job_id) else None
    if job is None:
        raise JobNotFound("There is no such job.", field="id")
    return job


def view(job: Job) -> JobView:
    """Return the job as the API shows it."""
    return JobView(
        id=job.job_id,
        kind=job.kind.value,
        state=job.state.value,
        model=job.model,
        version=str(job.version) if job.version is not None else None,
        lane=job.lane,
        total=job.total,
        done=job.done,
        failed=job.failed,
        shards=[
            ShardView(
                shard=shard.shard,
                state="FINISHED" if shard.is_finished else "RUNNING",
                done=shard.done,
                failed=shard.failed,
            )
            for shard in job.progress
        ],
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
