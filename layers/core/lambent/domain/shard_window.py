"""CPU lane: how many shards of a job are in flight at once.

A job's shards are not all put on the queue at once, or a large job would stand before everything that comes after it.
It has as many slots as its window is wide; whoever finishes a shard in a slot sends the job's next shard in that slot.
A change of priority therefore counts from the next shard on, and a cancelled job leaves the queue almost empty.
"""

from __future__ import annotations

from lambent.contracts.batch_request import MAX_PRIORITY


def window(concurrency: int, priority: int) -> int:
    """Return how many slots a job has, at least one.

    Parameters
    ----------
    concurrency   slots at the highest priority
    priority      0 to 9: each step is a tenth of the slots
    """
    return max(1, -(-concurrency * (priority + 1) // (MAX_PRIORITY + 1)))
