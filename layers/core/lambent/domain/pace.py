"""How fast a job is, and when it will be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambent.domain.job import Job, ShardProgress
from lambent.domain.job_states import JobState
from lambent.domain.timestamps import from_timestamp

# A shard that has not been heard of for so long is not counted as running: its host is lost, or its function was.
FRESH_S = 30.0


@dataclass(frozen=True)
class Pace:
    """Items a second, and the seconds that are left; None where nothing can be said."""

    rate: float | None
    eta_s: float | None


def pace_of(job: Job, *, now_s: float) -> Pace:
    """Return a job's pace.

    The rate is that of the shards that run, each by its own working time: pauses in which nothing ran, such as the
    start of a host, do not count. Between two short shards it is the job's mean since its first one began.
    """
    if job.state is not JobState.RUNNING or job.total is None:
        return Pace(None, None)
    rate = _running_rate(job.progress, now_s) or _mean_rate(job.progress, now_s)
    if not rate:
        return Pace(None, None)
    left = job.total - job.done - job.failed
    return Pace(rate, left / rate)


def is_moving(job: Job, *, now_s: float) -> bool:
    """Return whether any shard was heard of lately, be it by its end."""
    return any(_age_s(shard, now_s) <= FRESH_S for shard in job.progress)


def running_shards(progress: Sequence[ShardProgress], now_s: float) -> list[ShardProgress]:
    """Return the unfinished shards that were heard of lately."""
    return [shard for shard in progress if not shard.is_finished and _age_s(shard, now_s) <= FRESH_S]


def _running_rate(progress: Sequence[ShardProgress], now_s: float) -> float:
    return sum(
        (shard.done + shard.failed) / shard.busy_s for shard in running_shards(progress, now_s) if shard.busy_s > 0
    )


def _mean_rate(progress: Sequence[ShardProgress], now_s: float) -> float | None:
    begun_s = min((from_timestamp(shard.updated_at) - shard.busy_s for shard in progress), default=None)
    if begun_s is None or begun_s >= now_s:
        return None
    return sum(shard.done + shard.failed for shard in progress) / (now_s - begun_s)


def _age_s(shard: ShardProgress, now_s: float) -> float:
    return now_s - from_timestamp(shard.updated_at)
