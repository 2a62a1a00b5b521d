"""From a job's record to its message; a job that is sent twice has one outcome all the same."""

from __future__ import annotations

import msgspec

from lambent.contracts.messages import CallMessage
from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState
from lambent.ports import GaugedQueue, ObjectStore, Queue
from lambent.services.keep_request import whole_request


def send_batch(queue: Queue, job: Job, data: ObjectStore | None) -> None:
    """Enqueue a batch's whole request; raises SourceGone, and Unavailable unless the queue has taken it."""
    queue.send(whole_request(data, job).encode(), group=job.tenant, attributes={"tenant": job.tenant})


def send_call(queue: Queue, job: Job, *, delay_s: int = 0) -> None:
    """Enqueue a stored call, to be delivered after ``delay_s``; raises Unavailable unless the queue has taken it."""
    body = msgspec.json.encode(CallMessage(tenant=job.tenant, job_id=job.job_id))
    queue.send(body, group=job.tenant, delay_s=delay_s)


class JobSender:
    """Sends jobs of either kind to the queue that works on them; ``data`` holds the requests too large for a record."""

    def __init__(self, *, batches: GaugedQueue, calls: GaugedQueue, data: ObjectStore | None = None) -> None:
        self._data = data
        self._batches = batches
        self._calls = calls

    def send(self, job: Job) -> None:
        """Enqueue a recorded job; raises Unavailable unless the queue has taken it."""
        if job.kind is JobKind.CALL:
            send_call(self._calls, job)
        else:
            send_batch(self._batches, job, self._data)

    def has_backlog(self, job: Job) -> bool:
        """Return whether messages wait where one of this job might be among them; raises Unavailable."""
        if job.kind is JobKind.CALL:
            return self._calls.depth().waiting > 0
        if self._batches.depth().waiting > 0:
            return True
        # A planned batch of the CPU lane has its shards on the other queue.
        return job.state is not JobState.QUEUED and self._calls.depth().waiting > 0
