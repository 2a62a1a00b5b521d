"""The end of a shard whose message nobody could bring to an end: with what its attempts have finished."""

from __future__ import annotations

from lambent.contracts.jobs import Plan
from lambent.domain.dead_letters import Became
from lambent.domain.job import ShardProgress
from lambent.domain.lost_work import LostShard
from lambent.errors import LambentError
from lambent.ports import Clock, JobStore, ObjectStore
from lambent.services.advance_job import JobAdvancer
from lambent.services.read_plan import plan_of_shard
from lambent.services.shard_part import ShardPart, WrittenPart
from lambent.services.unfinished_shard import end_unfinished


class ShardFailer:
    """Writes parts of shards that will not run any more, and goes on with their jobs."""

    def __init__(self, *, data: ObjectStore, jobs: JobStore, advancer: JobAdvancer, clock: Clock) -> None:
        self._data = data
        self._jobs = jobs
        self._advancer = advancer
        self._clock = clock

    def fail(self, lost: LostShard, error: LambentError) -> Became:
        """End a shard of an open job: what a checkpoint holds stays, every other item gets the error, or its own.

        A shard whose part exists is only reported.

        Raises
        ------
        SourceGone    the job has no plan, or no such shard
        Unavailable   and any other retryable error
        """
        plan = plan_of_shard(self._data, lost.tenant, lost.job_id, lost.shard)
        written = ShardPart(self._data, plan, lost.shard).written()
        became = Became.FAILED if written is None else Became.SETTLED
        if written is None:
            written = end_unfinished(self._data, plan, lost.shard, error.to_dict(), has_died=True)
        self._report(plan, lost.shard, written)
        self._advancer.after_shard(lost.tenant, lost.job_id, slot=lost.slot)
        return became

    def _report(self, plan: Plan, shard: int, part: WrittenPart) -> None:
        known = self._jobs.shard(plan.tenant, plan.job_id, shard)
        progress = ShardProgress(
            shard,
            part.done,
            part.failed,
            is_finished=True,
            updated_at=self._clock.now(),
            busy_s=known.busy_s if known is not None else 0.0,
            part_bytes=part.size_bytes,
            part_sha256=part.sha256,
        )
        self._jobs.record_shard(plan.tenant, plan.job_id, progress, expires_at_s=plan.expires_at_s)
