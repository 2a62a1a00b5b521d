"""AWS Batch state changes into job records."""

from __future__ import annotations

from dataclasses import dataclass

from lambent.domain.job import Job
from lambent.domain.job_states import JobState, states_before
from lambent.ports import Clock, JobStore
from lambent.services.finish_job import JobFinisher


@dataclass(frozen=True)
class BatchStateChange:
    """One "Batch Job State Change" event; ``is_child`` for a child of an array, whose id is ``{parent}:{index}``."""

    tenant: str
    job_id: str
    batch_job_id: str
    status: str
    is_child: bool


class TrackService:
    """Applies events that may come late, twice or in any order."""

    def __init__(self, *, jobs: JobStore, finisher: JobFinisher, clock: Clock) -> None:
        self._jobs = jobs
        self._finisher = finisher
        self._clock = clock

    def apply(self, change: BatchStateChange) -> None:
        """Apply one event; events of unknown or ended jobs are ignored.

        Raises
        ------
        Unavailable   and any other retryable error; the event must be delivered again
        """
        # An array's parent stays PENDING while its children run, so any running child counts.
        if change.status == "RUNNING":
            self._run(change)
        elif change.status in ("SUCCEEDED", "FAILED") and not change.is_child:
            self._end(change)

    def _run(self, change: BatchStateChange) -> None:
        """Note that a job runs; the second of its children to start, and the 10,000th, costs one read and no write."""
        job = self._concerned(change)
        if job is not None and job.state in states_before(JobState.RUNNING):
            self._jobs.transition(
                change.tenant,
                change.job_id,
                JobState.RUNNING,
                allowed=states_before(JobState.RUNNING),
                at=self._clock.now(),
            )

    def _end(self, change: BatchStateChange) -> None:
        # The rows of all shards: for this one event only, since an array has as many events as shards.
        if self._concerned(change) and (job := self._jobs.get(change.tenant, change.job_id)):
            self._finisher.finish(job)

    def _concerned(self, change: BatchStateChange) -> Job | None:
        """Return the job, without its shards, that the event may change."""
        job = self._jobs.head(change.tenant, change.job_id)
        if job is None or job.state.is_terminal:
            return None
        # Two dispatchers may have started the same job twice; only the one that was remembered counts.
        return job if job.batch_job_id in (None, change.batch_job_id.partition(":")[0]) else None
