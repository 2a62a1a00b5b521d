"""CPU lane: how many shards of a job are in flight at once.

A job's shards are not all put on the queue at once, or a large job would stand before everything that comes after it.
It has as many slots as its window is wide; whoever finishes a shard in a slot sends the job's next shard in that slot.
A change of priority therefore counts from the next shard on, and a cancelled job leaves the queue almost empty.

No tenant has all places of the lane, whatever its jobs' priority: an upload or a call of somebody else finds one at
once, and does not wait for the end of a shard. Jobs of one tenant that run at the same time share its places; each has
one at least, so that with more jobs than places it is the queue alone that lets others pass (fair queues).
"""

from __future__ import annotations

from lambent.contracts.batch_request import MAX_PRIORITY

_LEFT_TO_OTHERS = 5  # of so many places one


def places_of_a_tenant(concurrency: int) -> int:
    """Return how many of the lane's places one tenant's jobs may have: all but a fifth, at least one."""
    return max(1, concurrency - max(1, concurrency // _LEFT_TO_OTHERS))


def window(concurrency: int, priority: int) -> int:
    """Return how many slots a job has, at least one.

    Parameters
    ----------
    concurrency   slots at the highest priority
    priority      0 to 9: each step is a tenth of the slots
    """
    return max(1, -(-concurrency * (priority + 1) // (MAX_PRIORITY + 1)))


def share(slots: int, jobs: int) -> int:
    """Return how many of its slots a job has while so many of its tenant's jobs run, itself among them; at least 1."""
    return max(1, slots // jobs)
