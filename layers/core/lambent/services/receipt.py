"""The end of a batch: its receipt, and what it has shown of the lane's throughput."""

from __future__ import annotations

from collections.abc import Sequence

from lambent.contracts.jobs import Plan
from lambent.contracts.quotes import Receipt
from lambent.domain.job import Job, ShardProgress
from lambent.domain.model import ModelRef
from lambent.domain.prices import PRICES, PriceTable
from lambent.domain.receipts import receipt_of, shown_rate
from lambent.domain.throughput import ObservedThroughput, with_job
from lambent.domain.timestamps import from_timestamp
from lambent.ports import Clock, ThroughputStore

# Each try that loses was overtaken by another job's end.
_TRIES = 10


class ReceiptService:
    """Writes receipts, and keeps the throughput rows of versions."""

    def __init__(self, *, throughputs: ThroughputStore, clock: Clock, prices: PriceTable = PRICES) -> None:
        self._throughputs = throughputs
        self._clock = clock
        self._prices = prices

    def receipt(self, job: Job, plan: Plan, shards: Sequence[ShardProgress]) -> Receipt | None:
        """Return the receipt of a job whose shards have ended so; None for one that an older release planned."""
        if plan.estimate is None:
            return None
        seconds = self._clock.epoch_s() - from_timestamp(job.created_at)
        return receipt_of(plan, plan.estimate, shards, seconds=seconds, prices=self._prices)

    def observe(self, plan: Plan, shards: Sequence[ShardProgress]) -> None:
        """Add what a job has shown to what is known of its version on its lane; the same job again changes nothing.

        Raises
        ------
        Unavailable
        """
        items_per_s = shown_rate(shards)
        if items_per_s is None or plan.estimate is None:
            return
        ref, is_cpu = ModelRef(plan.model, plan.version), plan.lane == "cpu"
        memory_mib, architecture = plan.estimate.memory_mib, plan.estimate.architecture
        latest = ObservedThroughput(
            ref=ref,
            lane=plan.lane,
            items_per_s=items_per_s,
            device=f"{memory_mib} MiB {architecture}" if is_cpu else "a container of the GPU lane",
            memory_mib=memory_mib if is_cpu else None,
            at=self._clock.now(),
            tenant=plan.tenant,
            job_id=plan.job_id,
        )
        for _ in range(_TRIES):
            record = with_job(self._throughputs.observed(ref, plan.lane), latest)
            if record is None or self._throughputs.observe(record):
                return
