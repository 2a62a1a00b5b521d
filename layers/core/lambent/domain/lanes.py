"""What a batch would be on each of the two lanes: shards, workers, seconds and USD.

Constants that nobody measures per stack are assumptions, which the notes of an estimate name.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from lambent.contracts.quotes import CostPart, Lane, LaneEstimate
from lambent.domain.lane_costs import cpu_parts, gpu_parts, total_usd
from lambent.domain.model import KERAS_FILE, TFLITE_FILE
from lambent.domain.prices import PriceTable
from lambent.domain.throughput import Rate

# docs.aws.amazon.com/batch, "Array jobs": 2 to 10,000 children.
MAX_SHARDS = 10_000
# Messages that one invocation of InferFunction gets, see template.yaml: all of them have to end within its timeout.
MESSAGES_AN_INVOCATION = 1
_INVOCATION_SHARE = 0.5
CPU_SHARD_S = (2.0, 12.0)
CPU_SHARD_ITEMS = 5_000
# Where nobody knows how long an item takes.
UNMEASURED_CPU_SHARD_ITEMS = 25
GPU_SHARD_S = (60.0, 600.0)
_GPU_TIMEOUT_SHARE = 0.5
# A part is made in memory where it is Parquet, and lies in scratch storage until it is written.
SHARD_RESULT_BYTES = 64 << 20
# Assumptions, in seconds.
COLD_START_S = 2.0
SHARD_OVERHEAD_S = 0.3
FETCH_S = 0.1  # docs.aws.amazon.com/AmazonS3, "Performance design patterns": 100 to 200 ms for small objects
FETCHERS = 8
GPU_HOST_START_S = 240.0
GPU_WORKER_START_S = 30.0


@dataclass(frozen=True)
class CpuLane:
    """InferFunction: its memory and timeout, and how many environments its queue may use."""

    memory_mib: int
    architecture: str
    timeout_s: float
    max_concurrency: int
    threads: int


@dataclass(frozen=True)
class GpuLane:
    """The compute environment: instance types, vCPUs of a container, how many hosts at most, a shard's timeout."""

    instance_types: tuple[str, ...]
    worker_vcpus: int
    max_hosts: int
    timeout_s: float


@dataclass(frozen=True)
class Lanes:
    """What this stack has; ``shard_items`` is the size of a GPU shard where nobody knows better."""

    cpu: CpuLane
    gpu: GpuLane | None
    shard_items: int
    region: str


@dataclass(frozen=True)
class Work:
    """A batch to be planned.

    items, objects   how many, at least one; and how many of them are objects to fetch
    asked            auto, cpu or gpu
    files            the version's: the CPU lane needs model.tflite, the GPU lane model.keras
    seconds_left     until the deadline, None without one
    item_result_bytes   of an item's outputs as JSON, about, where they are the answer; 0 where an answer is small
    """

    items: int
    objects: int
    asked: str
    files: frozenset[str]
    seconds_left: float | None = None
    item_result_bytes: int = 0


@dataclass(frozen=True)
class _Cut:
    """Shards of one size on so many workers; ``item_s`` is None where nobody has measured it."""

    work: Work
    size: int
    most_workers: int
    item_s: float | None

    @property
    def shards(self) -> int:
        return ceil(self.work.items / self.size)

    @property
    def workers(self) -> int:
        return min(self.shards, self.most_workers)

    @property
    def rounds(self) -> int:
        """Return how many shards the busiest worker does."""
        return ceil(self.shards / self.workers)

    @property
    def shard_s(self) -> float | None:
        return None if self.item_s is None else min(self.size, self.work.items) * self.item_s

    def estimate(self, lane: Lane, *, reason: str | None) -> LaneEstimate:
        """Return what is known without a measurement."""
        return LaneEstimate(lane=lane, reason=reason, shard_items=self.size, shards=self.shards, workers=self.workers)

    def measured(self, lane: Lane, rate: Rate, *, seconds: float, busy_s: float, parts: list[CostPart]) -> LaneEstimate:
        """Return the whole estimate."""
        left_s = self.work.seconds_left
        return LaneEstimate(
            lane=lane,
            reason=None,
            shard_items=self.size,
            shards=self.shards,
            workers=self.workers,
            throughput=rate.view,
            seconds=seconds,
            busy_s=busy_s,
            usd=total_usd(parts) if parts else None,
            parts=parts,
            is_on_time=None if left_s is None else seconds <= left_s,
        )


def on_cpu(work: Work, lanes: Lanes, rate: Rate | None, prices: PriceTable) -> LaneEstimate:
    """Return what a batch would be in Lambda.

    A shard is 2 to 12 seconds of work, so that all messages of one invocation end within half of its timeout, and no
    larger than lets every environment have one.
    """
    lane = lanes.cpu
    most_s = min(CPU_SHARD_S[1], lane.timeout_s * _INVOCATION_SHARE / MESSAGES_AN_INVOCATION)
    item_s = None if rate is None else _cpu_item_s(work, rate)
    if item_s is None:
        wanted = min(lanes.shard_items, UNMEASURED_CPU_SHARD_ITEMS)
    else:
        spread = _spread(work.items, lane.max_concurrency, item_s, least_s=min(CPU_SHARD_S[0], most_s), most_s=most_s)
        wanted = min(spread, CPU_SHARD_ITEMS)
    cut = _Cut(work, _sized(work, wanted), lane.max_concurrency, item_s)
    reason = _why_not_cpu(work, lane, cut)
    if rate is None or cut.item_s is None or cut.shard_s is None or reason is not None:
        return cut.estimate("cpu", reason=reason)
    busy_s = work.items * cut.item_s + cut.shards * SHARD_OVERHEAD_S
    parts = cpu_parts(
        prices,
        busy_s=busy_s + cut.workers * COLD_START_S,
        memory_mib=lane.memory_mib,
        architecture=lane.architecture,
        shards=cut.shards,
        objects=work.objects,
    )
    seconds = COLD_START_S + cut.rounds * (cut.shard_s + SHARD_OVERHEAD_S)
    return cut.measured("cpu", rate, seconds=seconds, busy_s=busy_s, parts=parts)


def on_gpu(work: Work, lanes: Lanes, rate: Rate | None, prices: PriceTable) -> LaneEstimate:
    """Return what a batch would be on AWS Batch.

    A shard is 1 to 10 minutes of work: starting a container is little against it, and a lost host costs no more.
    """
    lane = lanes.gpu
    if lane is None:
        return _Cut(work, _sized(work, lanes.shard_items), 1, None).estimate("gpu", reason="this stack has no GPU lane")
    most_s = min(GPU_SHARD_S[1], lane.timeout_s * _GPU_TIMEOUT_SHARE)
    item_s = None if rate is None else 1 / rate.items_per_s
    if item_s is None:
        wanted = lanes.shard_items
    else:
        wanted = _spread(work.items, lane.max_hosts, item_s, least_s=min(GPU_SHARD_S[0], most_s), most_s=most_s)
    cut = _Cut(work, _sized(work, wanted), lane.max_hosts, item_s)
    reason = _why_not_gpu(work, lane, cut)
    if rate is None or cut.item_s is None or cut.shard_s is None or reason is not None:
        return cut.estimate("gpu", reason=reason)
    busy_s = work.items * cut.item_s
    parts = _gpu_parts(work, lane, cut, prices, busy_s=busy_s)
    seconds = GPU_HOST_START_S + cut.rounds * (GPU_WORKER_START_S + cut.shard_s)
    return cut.measured("gpu", rate, seconds=seconds, busy_s=busy_s, parts=parts)


def _cpu_item_s(work: Work, rate: Rate) -> float:
    """Return the seconds of an item: what takes longer, fetching it beside the others or answering it."""
    fetch_s = 0.0 if rate.with_fetching else work.objects / work.items * FETCH_S / FETCHERS
    return max(1 / rate.items_per_s, fetch_s)


def _spread(items: int, workers: int, item_s: float, *, least_s: float, most_s: float) -> int:
    """Return a size between so many seconds of work that gives all workers the same number, or nearly."""
    least, most = max(1, round(least_s / item_s)), max(1, round(most_s / item_s))
    rounds = ceil(items / (workers * most))
    return max(least, ceil(items / (workers * rounds)))


def _sized(work: Work, wanted: int) -> int:
    """Return the wanted size: at most the items that there are or whose results fit; at most MAX_SHARDS shards."""
    fitting = SHARD_RESULT_BYTES // work.item_result_bytes if work.item_result_bytes else wanted
    return max(min(wanted, work.items, max(1, fitting)), ceil(work.items / MAX_SHARDS))


def _why_not_cpu(work: Work, lane: CpuLane, cut: _Cut) -> str | None:
    if TFLITE_FILE not in work.files:
        return f"the version has no {TFLITE_FILE}"
    if cut.shard_s is not None and cut.shard_s + SHARD_OVERHEAD_S > lane.timeout_s:
        return (
            f"{work.items:,} items in at most {MAX_SHARDS:,} shards are {cut.shard_s:,.0f} s of work each, and the "
            f"function has {lane.timeout_s:.0f} s"
        )
    return None


def _why_not_gpu(work: Work, lane: GpuLane, cut: _Cut) -> str | None:
    if KERAS_FILE not in work.files:
        return f"the version has no {KERAS_FILE}"
    if cut.shard_s is not None and cut.shard_s + GPU_WORKER_START_S > lane.timeout_s:
        return (
            f"{work.items:,} items in at most {MAX_SHARDS:,} shards are {cut.shard_s:,.0f} s of work each, and an "
            f"attempt of one has {lane.timeout_s:.0f} s"
        )
    return None


def _gpu_parts(work: Work, lane: GpuLane, cut: _Cut, prices: PriceTable, *, busy_s: float) -> list[CostPart]:
    instance_type = prices.cheapest(lane.instance_types)
    if instance_type is None:
        return []
    return gpu_parts(
        prices,
        instance_type=instance_type,
        instance_s=cut.workers * GPU_HOST_START_S + cut.shards * GPU_WORKER_START_S + busy_s,
        busy_s=busy_s,
        shards=cut.shards,
        objects=work.objects,
    )
