"""What a job took and cost, from what its shards have recorded, beside what was expected."""

from __future__ import annotations

from collections.abc import Sequence

from lambent.contracts.jobs import Plan
from lambent.contracts.quotes import CostPart, Estimate, Receipt
from lambent.domain.job import ShardProgress
from lambent.domain.lane_costs import MIB_PER_GB, cpu_parts, gpu_parts, total_usd
from lambent.domain.lanes import GPU_HOST_START_S, GPU_WORKER_START_S
from lambent.domain.prices import PriceTable

# A shorter job shows how long loading takes, not how fast the lane is.
LEAST_OBSERVED_S = 30.0


def receipt_of(
    plan: Plan, estimate: Estimate, shards: Sequence[ShardProgress], *, seconds: float, prices: PriceTable
) -> Receipt:
    """Return a job's receipt.

    Parameters
    ----------
    plan, estimate   as the job was planned
    shards           as its shards have ended, those without a part too
    seconds          from its acceptance to its end
    prices           of the release that ends it
    """
    busy_s = sum(shard.busy_s for shard in shards)
    items = sum(shard.done + shard.failed for shard in shards)
    expected = estimate.of(plan.lane)
    parts = _parts(plan, estimate, prices, busy_s=busy_s, shards=len(shards))
    is_cpu = plan.lane == "cpu"
    return Receipt(
        lane=plan.lane,
        items=items,
        shards=len(shards),
        seconds=seconds,
        busy_s=busy_s,
        gb_seconds=busy_s * estimate.memory_mib / MIB_PER_GB if is_cpu else None,
        gpu_seconds=None if is_cpu else busy_s,
        items_per_s=items / busy_s if busy_s else None,
        usd=total_usd(parts),
        parts=parts,
        estimated_seconds=expected.seconds,
        estimated_busy_s=expected.busy_s,
        estimated_usd=expected.usd,
        prices_of=prices.name,
        notes=_notes(plan, busy_s=busy_s),
    )


def shown_rate(shards: Sequence[ShardProgress]) -> float | None:
    """Return the items a second of one worker that a job has shown, None where it has shown nothing of worth.

    Shards of which most items failed were done sooner than they would be otherwise.
    """
    sound = [shard for shard in shards if shard.is_finished and shard.done > shard.failed]
    busy_s = sum(shard.busy_s for shard in sound)
    return sum(shard.done + shard.failed for shard in sound) / busy_s if busy_s >= LEAST_OBSERVED_S else None


def _parts(plan: Plan, estimate: Estimate, prices: PriceTable, *, busy_s: float, shards: int) -> list[CostPart]:
    if plan.lane == "cpu":
        return cpu_parts(
            prices,
            busy_s=busy_s,
            memory_mib=estimate.memory_mib,
            architecture=estimate.architecture,
            shards=shards,
            objects=estimate.objects,
            is_measured=True,
        )
    if estimate.instance_type is None or estimate.instance_type not in prices.hours:
        return []
    workers = estimate.of("gpu").workers
    return gpu_parts(
        prices,
        instance_type=estimate.instance_type,
        instance_s=busy_s + shards * GPU_WORKER_START_S + workers * GPU_HOST_START_S,
        busy_s=busy_s,
        shards=shards,
        objects=estimate.objects,
    )


def _notes(plan: Plan, *, busy_s: float) -> list[str]:
    notes = [] if busy_s else ["The shards recorded no time."]
    if plan.lane == "cpu":
        return [*notes, "Lambda bills starting and waiting too; requests are counted a shard each, at most."]
    return [*notes, "Starting hosts and the price of spot capacity are assumed, not measured."]
