"""CPU lane: what comes after a shard."""

from __future__ import annotations

from lambent.domain.job import Job
from lambent.ports import Clock, JobStore
from lambent.services.finish_job import JobFinisher
from lambent.services.send_shards import ShardSender


class JobAdvancer:
    """Keeps the window of a job full until its shards are all sent, and ends it with the last one."""

    def __init__(self, *, jobs: JobStore, shards: ShardSender, finisher: JobFinisher, clock: Clock) -> None:
        self._jobs = jobs
        self._shards = shards
        self._finisher = finisher
        self._clock = clock

    def after_shard(self, tenant: str, job_id: str, *, slot: int) -> None:
        """Go on after a shard that has ended in a slot: send the next one, or end the job and let another begin.

        A delivery that comes twice sends two shards: the window is one wider then, which costs nothing but its place.

        Raises
        ------
        Unavailable   and any other retryable error; the shard's message must be delivered again
        """
        job = self._jobs.head(tenant, job_id)
        if job is None or job.shards is None:
            return
        if self._goes_on(job, slot):
            return
        # Also after a job that somebody else has ended: its place is free once what ran of it is here.
        self._shards.wake(job)

    def _goes_on(self, job: Job, slot: int) -> bool:
        """Send the job's next shard, or end the job; return whether it still holds the place."""
        if job.state.is_terminal:
            return False
        if job.deadline_s is not None and self._clock.epoch_s() >= job.deadline_s:
            self._finisher.expire(self._jobs.get(job.tenant, job.job_id) or job)
            return False
        is_all_sent = job.next_shard >= (job.shards or 0)
        if is_all_sent or (slot < self._shards.adjust(job) and not self._shards.fill(job, [slot])):
            return not self._finisher.finish_if_complete(job.tenant, job.job_id)
        return True
