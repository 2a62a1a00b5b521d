"""POST /jobs/{id}/priority: a job gets more or less of its lane."""

from __future__ import annotations

from dataclasses import replace

from lambent.domain.job import Job, JobKind
from lambent.errors import JobHasEnded, PriorityFixed
from lambent.ports import Clock, JobStore
from lambent.services.send_shards import ShardSender
from lambent.services.show_job import find_job


class SetPriorityService:
    """Changes priorities of one tenant's jobs."""

    def __init__(self, *, jobs: JobStore, shards: ShardSender, clock: Clock) -> None:
        self._jobs = jobs
        self._shards = shards
        self._clock = clock

    def set(self, tenant: str, job_id: str, priority: int) -> Job:
        """Set a job's priority; on the CPU lane it counts from the job's next shard on, and a higher one at once.

        Raises
        ------
        JobNotFound     no such job; another tenant's id answers exactly so
        JobHasEnded     nothing is left to give a priority to
        PriorityFixed   a call, or a job that AWS Batch has taken: it knows no change of priority
        Unavailable
        """
        before = find_job(self._jobs, tenant, job_id)
        if before.kind is JobKind.CALL or before.lane == "gpu":
            raise PriorityFixed(
                "The priority of a call, or of a job that the GPU lane has taken, cannot be changed; cancel the job "
                "and submit it again.",
                field="priority",
            )
        if not self._jobs.set_priority(tenant, job_id, priority, at=self._clock.now()):
            raise JobHasEnded(f"The job has ended as {before.state.value}.", field="state", got=before.state.value)
        job = replace(before, priority=priority)
        self._shards.widen(job)
        return find_job(self._jobs, tenant, job_id)
