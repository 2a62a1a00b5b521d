"""A job looked at again and again until it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import sleep

from lambent.errors import Unavailable
from lambent_toolkit.jobs.client import TERMINAL, JobsClient, Json
from lambent_toolkit.modelkit.errors import ServiceUnreachable

_MOST_SILENT = 10
# Every look reads a row a shard: one of 10,000 shards is looked at every ten seconds.
_SHARDS_A_SECOND = 1_000


def job_until_its_end(
    client: JobsClient, job_id: str, *, every_s: float, pause: Callable[[float], None] = sleep
) -> Iterator[Json]:
    """Yield the job as it is, until it has ended; the last one is how it ended. A job of many shards is looked at less.

    Short failures of the network or the service are waited out: watching for hours should survive them.

    Raises
    ------
    JobNotFound                       no such job
    ServiceUnreachable, Unavailable   ten times in a row
    """
    silent, pause_s = 0, every_s
    while True:
        try:
            job = client.show(job_id)
        except (ServiceUnreachable, Unavailable):
            silent += 1
            if silent == _MOST_SILENT:
                raise
        else:
            silent = 0
            pause_s = max(every_s, sum((job["shard_counts"] or {}).values()) / _SHARDS_A_SECOND)
            yield job
            if job["state"] in TERMINAL:
                return
        pause(pause_s)
