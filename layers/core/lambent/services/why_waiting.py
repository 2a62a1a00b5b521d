"""Why a job is not running: what is known of its state, and what the queues and AWS Batch say at this moment."""

from __future__ import annotations

from lambent.domain import waiting
from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState
from lambent.domain.pace import is_moving
from lambent.domain.waiting import Waiting
from lambent.errors import LambentError
from lambent.ports import BlockStore, Clock, LaneWatch, QueueGauge


class WhyWaitingService:
    """Asks on behalf of one job at a time. ``lane`` is None where the stack has no GPU lane."""

    def __init__(
        self,
        *,
        batches: QueueGauge,
        calls: QueueGauge,
        lane: LaneWatch | None,
        blocks: BlockStore,
        clock: Clock,
        cpu_concurrency: int,
    ) -> None:
        self._batches = batches
        self._calls = calls
        self._lane = lane
        self._blocks = blocks
        self._clock = clock
        self._cpu_concurrency = cpu_concurrency

    def why(self, job: Job) -> Waiting | None:
        """Return why nothing of a job runs; None if something does, or it has ended.

        Never raises for a service that does not answer: the job's progress matters more than the reason.
        """
        if job.state.is_terminal or self._runs(job):
            return None
        try:
            return self._reason(job)
        except LambentError:
            return waiting.not_known()

    def _runs(self, job: Job) -> bool:
        if job.state is not JobState.RUNNING:
            return False
        return job.kind is JobKind.CALL or is_moving(job, now_s=self._clock.epoch_s())

    def _reason(self, job: Job) -> Waiting:
        if job.kind is JobKind.BATCH and job.state is JobState.QUEUED:
            return waiting.not_planned(self._batches.depth())
        if job.kind is JobKind.CALL or job.lane == "cpu":
            return waiting.in_cpu_lane(self._calls.depth(), concurrency=self._cpu_concurrency)
        if self._lane is None:
            return waiting.no_gpu_lane()
        if job.batch_job_id is None:
            return waiting.not_submitted()
        return waiting.in_gpu_lane(self._lane.condition(job.batch_job_id, block=self._blocks.latest()))
