"""DELETE /jobs/{id}: a job stops, and keeps what it has."""

from __future__ import annotations

from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState, states_before
from lambent.errors import JobHasEnded
from lambent.ports import Clock, JobRunner, JobStore
from lambent.services.send_job import JobSender
from lambent.services.show_job import find_job


class CancelJobService:
    """Cancels jobs of one tenant at a time."""

    def __init__(self, *, jobs: JobStore, sender: JobSender, runner: JobRunner | None, clock: Clock) -> None:
        self._jobs = jobs
        self._sender = sender
        self._runner = runner
        self._clock = clock

    def cancel(self, tenant: str, job_id: str) -> Job:
        """Move a job to CANCELLED and stop what runs of it; cancelling a cancelled job again is fine.

        The state comes first: whatever runs looks at it, and nothing that ends later can change it. What the job has by
        then is written down by whoever takes the job from the queue next, or by the sweep.

        Returns
        -------
        Job   CANCELLED

        Raises
        ------
        JobNotFound   no such job; another tenant's id answers exactly so
        JobHasEnded   it ended before
        Unavailable
        """
        job = find_job(self._jobs, tenant, job_id)
        allowed = states_before(JobState.CANCELLED)
        if not self._jobs.transition(tenant, job_id, JobState.CANCELLED, allowed=allowed, at=self._clock.now()):
            job = find_job(self._jobs, tenant, job_id)
            if job.state is not JobState.CANCELLED:
                raise JobHasEnded(f"The job has ended as {job.state.value}.", field="state", got=job.state.value)
        job = find_job(self._jobs, tenant, job_id)
        if job.is_open:
            if job.batch_job_id is not None and self._runner is not None:
                self._runner.terminate(job.batch_job_id, reason="lambent: cancelled")
            if job.kind is JobKind.BATCH:
                self._sender.send(job)
        return job
