"""CPU lane: shards of a job onto the queue, as many as its window allows; see `domain.shard_window`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lambent.contracts.messages import ShardMessage
from lambent.domain.job import Job
from lambent.domain.shard_window import share, window
from lambent.ports import JobCatalogue, JobStore, Queue


class ShardSender:
    """Puts shards on one queue. All methods raise Unavailable when the queue or the ledger fails."""

    def __init__(self, *, jobs: JobStore, catalogue: JobCatalogue, queue: Queue) -> None:
        self._jobs = jobs
        self._catalogue = catalogue
        self._queue = queue

    def slots(self, job: Job) -> int:
        """Return how wide a job's window is now: its own, shared with its tenant's other jobs of the CPU lane."""
        others = self._catalogue.in_cpu_lane(job.tenant) - {job.job_id}
        return share(window(job.concurrency or 1, job.priority), 1 + len(others))

    def fill(self, job: Job, slots: Iterable[int]) -> int:
        """Send a shard that was never sent in each of these slots, while there are any; return how many were sent.

        Each is claimed before it is sent. One that is lost in between is healed by the sweep.
        """
        sent = 0
        for slot in slots:
            shard = self._jobs.claim_shard(job.tenant, job.job_id)
            if shard is None:
                break
            self.send(job, [shard], width=slot + 1, first_slot=slot)
            sent += 1
        return sent

    def adjust(self, job: Job) -> int:
        """Fill the slots that came to a job by its priority or by another job's end; return how wide its window is.

        Slots that it has lost end with the shards that run in them. One that comes back before that is there twice
        until the job has no more shards to send.
        """
        width = self.slots(job)
        is_changed = job.width != width and self._jobs.set_width(job.tenant, job.job_id, width, before=job.width)
        if is_changed and job.width is not None:
            self.fill(job, range(job.width, width))
        return width

    def widen(self, job: Job) -> None:
        """Fill the slots that a higher priority has opened."""
        if job.lane == "cpu" and job.shards is not None:
            self.adjust(job)

    def send(self, job: Job, shards: Iterable[int], *, width: int, first_slot: int = 0) -> None:
        """Send shards in slots from ``first_slot`` on, beginning anew where the window ends."""
        bodies = (
            msgspec.json.encode(
                ShardMessage(tenant=job.tenant, job_id=job.job_id, shard=shard, slot=(first_slot + number) % width)
            )
            for number, shard in enumerate(shards)
        )
        self._queue.send_all(bodies, group=job.tenant)

    def again(self, message: ShardMessage, *, is_suspect: bool) -> None:
        """Send a shard in its slot once more, because it has not ended and goes on elsewhere.

        Parameters
        ----------
        is_suspect   whether one of its items has ended a process; the new message has not been received before
        """
        body = msgspec.json.encode(msgspec.structs.replace(message, is_suspect=is_suspect))
        self._queue.send(body, group=message.tenant)

    def start(self, job: Job) -> None:
        """Send what a planned job's window holds; what was sent before and has begun is left to its own messages."""
        width = self._open(job)
        begun = {shard.shard for shard in job.progress}
        self.send(job, [shard for shard in range(job.next_shard) if shard not in begun], width=width)
        self.fill(job, range(job.next_shard, width))

    def revive(self, job: Job) -> None:
        """Send everything again that was sent once and has not ended, and fill the window."""
        width = self._open(job)
        lost = [shard for shard in range(job.next_shard) if shard not in job.finished_shards]
        self.send(job, lost, width=width)
        self.fill(job, range(len(lost), width))

    def _open(self, job: Job) -> int:
        width = self.slots(job)
        self._jobs.set_width(job.tenant, job.job_id, width, before=job.width)
        return width
