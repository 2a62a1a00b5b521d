"""From a job's record to its message; a job that is sent twice has one outcome all the same."""

from __future__ import annotations

import msgspec

from lambent.contracts.messages import CallMessage
from lambent.domain.job import Job, JobKind
from lambent.ports import Queue


def send_batch(queue: Queue, job: Job) -> None:
    """Enqueue a batch's request; raises Unavailable unless the queue has taken it."""
    queue.send(job.request.encode(), group=job.tenant, attributes={"tenant": job.tenant})


def send_call(queue: Queue, job: Job) -> None:
    """Enqueue a stored call; raises Unavailable unless the queue has taken it."""
    queue.send(msgspec.json.encode(CallMessage(tenant=job.tenant, job_id=job.job_id)), group=job.tenant)


class JobSender:
    """Sends jobs of either kind to the queue that works on them."""

    def __init__(self, *, batches: Queue, calls: Queue) -> None:
        self._batches = batches
        self._calls = calls

    def send(self, job: Job) -> None:
        """Enqueue a recorded job; raises Unavailable unless the queue has taken it."""
        if job.kind is JobKind.CALL:
            send_call(self._calls, job)
        else:
            send_batch(self._batches, job)
