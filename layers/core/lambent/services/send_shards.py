"""CPU lane: shards of a job onto the queue, as many as its window allows; see `domain.shard_window`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lambent.contracts.messages import ShardMessage
from lambent.domain.job import Job
from lambent.domain.shard_window import window
from lambent.ports import JobStore, Queue


class ShardSender:
    """Puts shards on one queue. All methods raise Unavailable when the queue or the ledger fails."""

    def __init__(self, *, jobs: JobStore, queue: Queue) -> None:
        self._jobs = jobs
        self._queue = queue

    def fill(self, job: Job, slots: Iterable[int]) -> int:
        """Send a shard that was never sent in each of these slots, while there are any; return how many were sent.

        Each is claimed before it is sent. One that is lost in between is healed by the sweep.
        """
        sent = 0
        for slot in slots:
            shard = self._jobs.claim_shard(job.tenant, job.job_id)
            if shard is None:
                break
            self.send(job, [shard], first_slot=slot)
            sent += 1
        return sent

    def widen(self, job: Job, before: Job) -> int:
        """Fill the slots that a higher priority has opened; return how many."""
        if job.lane != "cpu" or job.shards is None or before.shards is None:
            return 0
        return self.fill(job, range(slots(before), slots(job)))

    def send(self, job: Job, shards: Iterable[int], *, first_slot: int = 0) -> None:
        """Send shards in slots from ``first_slot`` on, beginning anew where the window ends."""
        self._queue.send_all(
            msgspec.json.encode(
                ShardMessage(tenant=job.tenant, job_id=job.job_id, shard=shard, slot=(first_slot + number) % slots(job))
            )
            for number, shard in enumerate(shards)
        )

    def again(self, message: ShardMessage, *, is_suspect: bool) -> None:
        """Send a shard in its slot once more, because it has not ended and goes on elsewhere.

        Parameters
        ----------
        is_suspect   whether one of its items has ended a process; the new message has not been received before
        """
        self._queue.send(msgspec.json.encode(msgspec.structs.replace(message, is_suspect=is_suspect)))

    def start(self, job: Job) -> None:
        """Send what a planned job's window holds; what was sent before and has begun is left to its own messages."""
        begun = {shard.shard for shard in job.progress}
        self.send(job, [shard for shard in range(job.next_shard) if shard not in begun])
        self.fill(job, range(job.next_shard, slots(job)))

    def revive(self, job: Job) -> None:
        """Send everything again that was sent once and has not ended, and fill the window."""
        lost = [shard for shard in range(job.next_shard) if shard not in job.finished_shards]
        self.send(job, lost)
        self.fill(job, range(len(lost), slots(job)))


def slots(job: Job) -> int:
    """Return how wide a job's window is."""
    return window(job.concurrency or 1, job.priority)
