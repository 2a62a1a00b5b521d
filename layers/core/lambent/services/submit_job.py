"""Door 1 to the batch lanes: POST /jobs puts a request on the same queue as everybody else's."""

from __future__ import annotations

import msgspec

from lambent.contracts.jobs import BatchRequest
from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.model import digest
from lambent.errors import JobIdReused
from lambent.ports import Clock, JobStore, Queue

_DAY_S = 86_400
_MARGIN_DAYS = 7


def new_job(tenant: str, request: BatchRequest, *, clock: Clock, retention_days: int) -> Job:
    """Return a QUEUED job for a request."""
    body = msgspec.json.encode(request)
    now = clock.now()
    return Job(
        tenant=tenant,
        job_id=request.id,
        state=JobState.QUEUED,
        model=request.model,
        request=body.decode(),
        request_sha256=digest(body),
        created_at=now,
        updated_at=now,
        # The record outlives the job's objects, so that an id is not used again while old parts lie there.
        expires_at_s=int(clock.epoch_s()) + (retention_days + _MARGIN_DAYS) * _DAY_S,
    )


class SubmitService:
    """Accepts batch requests over HTTP."""

    def __init__(self, *, jobs: JobStore, queue: Queue, clock: Clock, retention_days: int) -> None:
        self._jobs = jobs
        self._queue = queue
        self._clock = clock
        self._retention_days = retention_days

    def submit(self, tenant: str, request: BatchRequest) -> Job:
        """Record and enqueue a job; the same request again returns the same job.

        The record comes first: if the enqueueing is lost, the sweep finds the record and repeats it.

        Raises
        ------
        JobIdReused   the id belongs to a different request
        Unavailable
        """
        job = new_job(tenant, request, clock=self._clock, retention_days=self._retention_days)
        if not self._jobs.create(job):
            known = self._jobs.get(tenant, request.id)
            if known is None or known.request_sha256 != job.request_sha256:
                raise JobIdReused("This job id was used for a different request; choose a new id.", field="id")
            if known.state is not JobState.QUEUED:
                return known
            job = known
        self.enqueue(job)
        return job

    def enqueue(self, job: Job) -> None:
        """Put a recorded job's request on the queue."""
        self._queue.send(job.request.encode(), attributes={"tenant": job.tenant})
