"""CPU lane: shards of a job onto the queue, as many as its window allows; see `domain.shard_window`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from lambent.contracts.messages import ShardMessage
from lambent.domain.job import Job
from lambent.domain.job_list import JobPlace
from lambent.domain.shard_window import share, window
from lambent.ports import JobCatalogue, JobStore, Queue


class ShardSender:
    """Puts shards on one queue. All methods raise Unavailable when the queue or the ledger fails."""

    def __init__(self, *, jobs: JobStore, catalogue: JobCatalogue, queue: Queue) -> None:
        self._jobs = jobs
        self._catalogue = catalogue
        self._queue = queue

    def slots(self, job: Job, *, ended: str | None = None) -> int:
        """Return how wide a job's window is now: its own, shared with its tenant's other jobs of the CPU lane.

        Parameters
        ----------
        ended   id of a job that has left the lane, which the list of jobs may not know yet
        """
        others = [place for place in self._catalogue.in_cpu_lane(job.tenant) if place.job_id not in (job.job_id, ended)]
        places = job.concurrency or 1
        return share(
            window(places, job.priority),
            jobs=1 + len(others),
            older=sum(place < JobPlace(job.created_at, job.job_id) for place in others),
            places=places,
            has_begun=job.next_shard > 0,
        )

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

    def adjust(self, job: Job, *, ended: str | None = None) -> int:
        """Fill the slots that came to a job by its priority or by another job's end; return how wide its window is.

        Slots that it has lost end with the shards that run in them. One that comes back before that is there twice
        until the job has no more shards to send.
        """
        width = self.slots(job, ended=ended)
        is_changed = job.width != width and self._jobs.set_width(job.tenant, job.job_id, width, before=job.width)
        if is_changed and job.width is not None:
            self.fill(job, range(job.width, width))
        return width

    def widen(self, job: Job) -> None:
        """Fill the slots that a higher priority has opened."""
        if job.lane == "cpu" and job.shards is not None:
            self.adjust(job)

    def wake(self, before: Job) -> None:
        """Begin with what waits for a place of its tenant's, after a job that has given one back.

        One that is not found, because another job ends in this moment, begins with the next end, or with the sweep.
        """
        for job_id in self._catalogue.planned_after(before.tenant, JobPlace(before.created_at, before.job_id)):
            job = self._jobs.head(before.tenant, job_id)
            if job is not None and job.waits_for_a_place and self.adjust(job, ended=before.job_id) == 0:
                return

    def send(self, job: Job, shards: Iterable[int], *, width: int, first_slot: int = 0) -> None:
        """Send shards in slots from ``first_slot`` on, beginning anew where the window ends."""
        bodies = (
            msgspec.json.encode(
                ShardMessage(
                    tenant=job.tenant, job_id=job.job_id, shard=shard, slot=(first_slot + number) % max(1, width)
                )
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
        if width == 0:  # once more: who has ended since has not seen that this one waits
            self.adjust(replace(job, width=width))

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
