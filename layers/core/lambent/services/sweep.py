"""The schedule's work: heal what a lost event or message left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState
from lambent.domain.timestamps import to_timestamp
from lambent.errors import LambentError, Unavailable
from lambent.ports import Clock, JobRunner, JobStore
from lambent.services.finish_job import JobFinisher
from lambent.services.send_job import JobSender

_MAX_HEALS = 3
# Of the 120 s of SweepFunction: the rest is for the job that was begun last.
_MAX_S = 80.0
# MessageRetentionPeriod of both queues: a message that was sent longer ago waits no more.
RETENTION_S = 345_600
# Spreads the beginnings of sweeps that do not come to an end over all jobs (Knuth, multiplicative hashing).
_SPREAD = 2_654_435_761


@dataclass
class SweepReport:
    """What one sweep did."""

    looked_at: int = 0
    finished: int = 0
    enqueued: int = 0
    errors: int = 0
    not_reached: int = 0


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
        self._backlogs: dict[tuple[JobKind, bool], bool] = {}  # asked once a sweep

    def sweep(self, *, on_error: Callable[[Job, LambentError], None], max_s: float = _MAX_S) -> SweepReport:
        """Finish jobs whose work has ended, and dispatch the others again, which repeats only what is missing.

        A job whose message may still wait in its queue is left alone, however long: to send another would make the
        backlog longer, and to give up would fail what is well.

        Parameters
        ----------
        on_error   told of a job that could not be healed this time; the others are looked at all the same
        max_s      seconds after which no further job is begun. Each sweep begins at another job, so that none is always
                   among those that were not reached.
        """
        report, started_s = SweepReport(), self._clock.epoch_s()
        self._backlogs.clear()
        heads = list(self._jobs.open_heads(updated_before=self._clock.now()))
        first = int(started_s) * _SPREAD % max(1, len(heads))
        for number, head in enumerate([*heads[first:], *heads[:first]]):
            if self._clock.epoch_s() - started_s >= max_s:
                report.not_reached = len(heads) - number
                break
            try:
                self._look_at(head, report)
            except LambentError as error:
                report.errors += 1
                on_error(head, error)
        return report

    def _look_at(self, head: Job, report: SweepReport) -> None:
        # The row alone says of most jobs that nothing is to be done.
        if not self._is_late(head) and head.updated_at >= self._before(self._stuck_after_s):
            return
        job = self._jobs.get(head.tenant, head.job_id) if head.shards is not None else head
        if job is None:
            return
        # The pause doubles with each attempt, so that a job that only waits its turn is left in peace.
        pause_s = self._stuck_after_s * 2 ** _heals_since_progress(job)
        if self._is_late(job) or _last_sign(job) < self._before(pause_s):
            report.looked_at += 1
            self._heal(job, report)

    def _is_late(self, job: Job) -> bool:
        return job.deadline_s is not None and self._clock.epoch_s() >= job.deadline_s

    def _heal(self, job: Job, report: SweepReport) -> None:
        if job.state.is_terminal:
            self._finisher.settle(job)
        elif self._is_late(job):
            self._finisher.expire(job)
            report.finished += 1
        elif self._finish(job):
            report.finished += 1
        elif job.batch_job_id is None and not self._may_wait(job):
            self._revive(job, report)

    def _may_wait(self, job: Job) -> bool:
        """Return whether a message of the job may still lie in a queue that nobody has come to the end of."""
        if _last_sign(job) < self._before(RETENTION_S):
            return False
        place = (job.kind, job.state is JobState.QUEUED)
        if place not in self._backlogs:
            self._backlogs[place] = self._sender.has_backlog(job)
        return self._backlogs[place]

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
        if job.shards is not None and self._finisher.finish_if_complete(job.tenant, job.job_id):
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
