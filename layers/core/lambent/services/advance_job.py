"""CPU lane: what comes after a shard."""

from __future__ import annotations

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
        """Go on after a shard that has ended in a slot: send the next one, or end the job.

        A delivery that comes twice sends two shards: the window is one wider then, which costs nothing but its place.

        Raises
        ------
        Unavailable   and any other retryable error; the shard's message must be delivered again
        """
        job = self._jobs.head(tenant, job_id)
        if job is None or job.state.is_terminal or job.shards is None:
            return
        if job.deadline_s is not None and self._clock.epoch_s() >= job.deadline_s:
            self._finisher.expire(self._jobs.get(tenant, job_id) or job)
        elif job.next_shard >= job.shards or (slot < self._shards.adjust(job) and not self._shards.fill(job, [slot])):
            self._finisher.finish_if_complete(tenant, job_id)
