"""The schedule's work: heal what a lost event or message left behind."""

from __future__ import annotations

from dataclasses import dataclass

from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.timestamps import to_timestamp
from lambent.errors import Unavailable
from lambent.ports import Clock, JobRunner, JobStore
from lambent.services.finish_job import JobFinisher
from lambent.services.submit_job import SubmitService

_MAX_HEALS = 3


@dataclass(frozen=True)
class SweepReport:
    """What one sweep did."""

    looked_at: int
    finished: int
    enqueued: int


class SweepService:
    """Looks at open jobs that show no sign of life."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        submit: SubmitService,
        runner: JobRunner,
        finisher: JobFinisher,
        clock: Clock,
        stuck_after_s: int,
    ) -> None:
        self._jobs = jobs
        self._submit = submit
        self._runner = runner
        self._finisher = finisher
        self._clock = clock
        self._stuck_after_s = stuck_after_s

    def sweep(self) -> SweepReport:
        """Finish jobs whose work has ended, and dispatch the others again, which repeats only what is missing."""
        before = to_timestamp(self._clock.epoch_s() - self._stuck_after_s)
        stuck = [job for job in self._jobs.open_jobs(updated_before=before) if _last_sign(job) < before]
        finished = [job for job in stuck if self._finish(job)]
        revived = [job for job in stuck if job not in finished and self._revive(job)]
        return SweepReport(len(stuck), len(finished), len(revived))

    def _revive(self, job: Job) -> bool:
        if job.batch_job_id is not None:
            return False
        if self._jobs.count_heal(job.tenant, job.job_id) <= _MAX_HEALS:
            self._submit.enqueue(job)
            return True
        # Shards that kill their function every time would be revived for ever.
        if job.shards is None:
            self._finisher.fail(job, Unavailable("The job could not be started; submit it again under a new id."))
        else:
            self._finisher.finish(job)
        return False

    def _finish(self, job: Job) -> bool:
        if self._finisher.finish_if_complete(job.tenant, job.job_id):
            return True
        if job.batch_job_id is None or job.state is JobState.QUEUED:
            return False
        # The service forgets old jobs: what it no longer knows has ended, and its event was lost.
        if self._runner.status(job.batch_job_id) not in ("SUCCEEDED", "FAILED", None):
            return False
        self._finisher.finish(job)
        return True


def _last_sign(job: Job) -> str:
    return max([job.updated_at, *(shard.updated_at for shard in job.progress)])
