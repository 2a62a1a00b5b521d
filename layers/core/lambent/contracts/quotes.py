"""What a batch will take and cost on each lane, as it is told before (quote), with the job (estimate), after (receipt).

USD are those of a dated table of list prices, see `domain.prices`: no free tier, no discounts, no taxes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Lane = Literal["cpu", "gpu"]


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class CostPart(_Contract, frozen=True, kw_only=True):
    """One line of a bill: so much of something, and its price.

    ``is_estimated``: the quantity was not measured, or the price moves (spot capacity).
    """

    what: str
    quantity: float
    unit: str
    usd: float
    is_estimated: bool = True


class ThroughputView(_Contract, frozen=True, kw_only=True):
    """How many items a second one worker of a lane does: an execution environment, or a container with a GPU.

    source      ``published``: measured where the version was made, with preprocessing and without fetching; or
                ``observed``: a weighted mean of finished jobs on this stack, with everything
    at          when it was measured, of several jobs the last one
    jobs, job   of ``observed``: how many; the last one, where it was the caller's own
    """

    items_per_s: float
    device: str
    source: Literal["published", "observed"]
    at: str
    jobs: int = 0
    job: str | None = None


class LaneEstimate(_Contract, frozen=True, kw_only=True):
    """One lane for one batch.

    reason       why it cannot run the batch; None if it can
    throughput   None where nobody has measured this version on this lane: then there are no seconds and no USD
    workers      how many work at the same time
    seconds      from dispatch to the end, starting included
    busy_s       seconds that all workers work, together
    is_on_time   whether that is before the deadline; None without one, or without an estimate
    """

    lane: Lane
    reason: str | None
    shard_items: int
    shards: int
    workers: int
    throughput: ThroughputView | None = None
    seconds: float | None = None
    busy_s: float | None = None
    usd: float | None = None
    parts: list[CostPart] = []
    is_on_time: bool | None = None


class Estimate(_Contract, frozen=True, kw_only=True):
    """What was expected of a job when it was planned.

    objects         how many of the items are objects of their own, each to be fetched
    seconds, usd    of the lane that was chosen
    lanes           both lanes
    memory_mib, architecture   of the function of the CPU lane
    instance_type   by whose price the GPU lane is counted, None without one
    prices_of       date and region of the price table
    notes           what makes the figures uncertain
    """

    items: int
    objects: int
    seconds: float | None
    usd: float | None
    lanes: list[LaneEstimate]
    memory_mib: int
    architecture: str
    instance_type: str | None
    prices_of: str
    notes: list[str]

    def of(self, lane: str) -> LaneEstimate:
        """Return one lane's part."""
        return next(each for each in self.lanes if each.lane == lane)


class Quote(_Contract, frozen=True, kw_only=True):
    """The plan of a batch that nobody has submitted yet: POST /jobs?dry_run=true.

    is_total_exact   whether the items were counted; ``counted`` says how
    array_size       GPU lane: children of the array, 2 to 10,000; None for a plain job, and on the CPU lane
    concurrency      CPU lane: execution environments at the same time; None on the GPU lane
    """

    model: str
    version: str
    lane: Lane
    total: int
    is_total_exact: bool
    counted: str
    shards: int
    shard_items: int
    array_size: int | None
    concurrency: int | None
    why: str
    estimate: Estimate


class Receipt(_Contract, frozen=True, kw_only=True):
    """What a job took, beside what was expected of it.

    seconds          from its acceptance to its end
    busy_s           seconds that all attempts of all shards have worked, together
    gb_seconds       CPU lane: ``busy_s`` times the function's memory; None on the GPU lane
    gpu_seconds      GPU lane: ``busy_s``; None on the CPU lane
    items_per_s      of one worker, None where no time was recorded
    usd, parts       by the price table, the parts that are not measured marked as such
    estimated_*      of the plan; None where the lane had never been measured
    """

    lane: Lane
    items: int
    shards: int
    seconds: float
    busy_s: float
    gb_seconds: float | None
    gpu_seconds: float | None
    items_per_s: float | None
    usd: float
    parts: list[CostPart]
    estimated_seconds: float | None
    estimated_busy_s: float | None
    estimated_usd: float | None
    prices_of: str
    notes: list[str]
