"""AWS Batch state changes into job records."""

from __future__ import annotations

from dataclasses import dataclass

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
        job = self._jobs.get(change.tenant, change.job_id)
        if job is None or job.state.is_terminal:
            return
        # Two dispatchers may have started the same job twice; only the one that was remembered counts.
        if job.batch_job_id not in (None, change.batch_job_id.partition(":")[0]):
            return
        # An array's parent stays PENDING while its children run, so any running child counts.
        if change.status == "RUNNING":
            self._jobs.transition(
                change.tenant,
                change.job_id,
                JobState.RUNNING,
                allowed=states_before(JobState.RUNNING),
                at=self._clock.now(),
            )
        elif change.status in ("SUCCEEDED", "FAILED") and not change.is_child:
            self._finisher.finish(job)
