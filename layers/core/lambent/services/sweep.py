"""The schedule's work: heal what a lost event or message left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.timestamps import to_timestamp
from lambent.errors import LambentError, Unavailable
from lambent.ports import Clock, JobRunner, JobStore
from lambent.services.finish_job import JobFinisher
from lambent.services.send_job import JobSender

_MAX_HEALS = 3


@dataclass
class SweepReport:
    """What one sweep did."""

    looked_at: int = 0
    finished: int = 0
    enqueued: int = 0
    errors: int = 0


class SweepService:
    """Looks at open jobs that show no sign of life."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        sender: JobSender,
        runner: JobRunner,
        finisher: JobFinisher,
        clock: Clock,
        stuck_after_s: int,
    ) -> None:
        self._jobs = jobs
        self._sender = sender
        self._runner = runner
        self._finisher = finisher
        self._clock = clock
        self._stuck_after_s = stuck_after_s

    def sweep(self, *, on_error: Callable[[Job, LambentError], None]) -> SweepReport:
        """Finish jobs whose work has ended, and dispatch the others again, which repeats only what is missing.

        Parameters
        ----------
        on_error   told of a job that could not be healed this time; the others are looked at all the same
        """
        report = SweepReport()
        for job in self._jobs.open_jobs(updated_before=self._clock.now()):
            # The pause doubles with each attempt, so that a job that only waits its turn is left in peace.
            is_late = job.deadline_s is not None and self._clock.epoch_s() >= job.deadline_s
            if not is_late and _last_sign(job) >= self._before(self._stuck_after_s * 2 ** _heals_since_progress(job)):
                continue
            report.looked_at += 1
            try:
                self._heal(job, report)
            except LambentError as error:
                report.errors += 1
                on_error(job, error)
        return report

    def _heal(self, job: Job, report: SweepReport) -> None:
        if job.state.is_terminal:
            self._finisher.settle(job)
        elif job.deadline_s is not None and self._clock.epoch_s() >= job.deadline_s:
            self._finisher.expire(job)
            report.finished += 1
        elif self._finish(job):
            report.finished += 1
        elif job.batch_job_id is None:
            self._revive(job, report)

    def _revive(self, job: Job, report: SweepReport) -> None:
        heals = _heals_since_progress(job)
        if heals < _MAX_HEALS:
            self._jobs.note_heal(job.tenant, job.job_id, heals + 1, at=self._clock.now())
            self._sender.send(job)
            report.enqueued += 1
        # Shards that kill their function every time would be revived for ever.
        elif job.shards is None:
            self._finisher.fail(job, Unavailable("The job could not be started; submit it again under a new id."))
        else:
            self._finisher.finish(job)

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

    def _before(self, seconds: int) -> str:
        return to_timestamp(self._clock.epoch_s() - seconds)


def _last_sign(job: Job) -> str:
    return max([job.updated_at, *(shard.updated_at for shard in job.progress)])


def _heals_since_progress(job: Job) -> int:
    """Return how often the job was revived in vain: a shard that has moved since shows that reviving helped."""
    has_moved = any(shard.updated_at >= job.updated_at for shard in job.progress)
    return 0 if has_moved else job.heals
