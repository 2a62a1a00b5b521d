"""The plan of a batch: what is known of a version's throughput on this stack goes into the pure planner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lambent.contracts.batch_request import BatchRequest, BatchSubmission
from lambent.contracts.model import VersionManifest
from lambent.contracts.quotes import Estimate, LaneEstimate
from lambent.domain.lanes import Lanes, Work
from lambent.domain.model import ModelRef
from lambent.domain.planning import Decision, decide
from lambent.domain.prices import PRICES, PriceTable
from lambent.domain.shard_window import window
from lambent.domain.throughput import cpu_rate, gpu_rate
from lambent.ports import Clock, ThroughputStore
from lambent.services.version_files import VersionFiles


@dataclass(frozen=True)
class PlannedBatch:
    """What was decided for a batch, and the estimate that its receipt will be held against."""

    taken: LaneEstimate
    why: str
    estimate: Estimate


class BatchPlanner:
    """Plans batches for one stack, which is what ``lanes`` describes."""

    def __init__(
        self,
        *,
        files: VersionFiles,
        throughputs: ThroughputStore,
        clock: Clock,
        lanes: Lanes,
        prices: PriceTable = PRICES,
    ) -> None:
        self._files = files
        self._throughputs = throughputs
        self._clock = clock
        self._lanes = lanes
        self._prices = prices

    def plan(
        self,
        request: BatchRequest | BatchSubmission,
        ref: ModelRef,
        manifest: VersionManifest,
        *,
        tenant: str,
        items: int,
        objects: int,
        item_result_bytes: int = 0,
    ) -> PlannedBatch:
        """Choose lane, shard size and concurrency of a batch.

        Parameters
        ----------
        request          names the lane and the deadline
        ref, manifest    the version that it is pinned to
        tenant           whose batch it is
        items, objects   how many items, and how many of them are objects to fetch
        item_result_bytes   see `domain.lanes.Work`

        Raises
        ------
        LaneUnavailable   the lane asked for cannot run this batch here, or none can
        BrokenArtifact    throughput.json is not what was published
        Unavailable
        """
        left_s = None if request.deadline_s is None else request.deadline_s - self._clock.epoch_s()
        work = Work(items, objects, request.lane, frozenset(manifest.files), left_s, item_result_bytes)
        decision = self._decide(work, self._shared(request.priority_or_default), ref, manifest, tenant)
        return PlannedBatch(decision.taken, decision.why, self._estimate(work, decision))

    @property
    def max_concurrency(self) -> int:
        """CPU lane: how many shards of a job may be in flight at once at the highest priority."""
        return self._lanes.cpu.max_concurrency

    def _shared(self, priority: int) -> Lanes:
        """Return what a job of this priority gets of the lanes."""
        return replace(
            self._lanes, cpu=replace(self._lanes.cpu, max_concurrency=window(self.max_concurrency, priority))
        )

    def _decide(self, work: Work, lanes: Lanes, ref: ModelRef, manifest: VersionManifest, tenant: str) -> Decision:
        cpu, gpu = lanes.cpu, lanes.gpu
        published = self._files.throughput(ref, manifest)
        on_cpu = cpu_rate(
            published,
            self._throughputs.observed(ref, "cpu"),
            tenant=tenant,
            memory_mib=cpu.memory_mib,
            threads=cpu.threads,
            architecture=cpu.architecture,
        )
        on_gpu = (
            None
            if gpu is None
            else gpu_rate(published, self._throughputs.observed(ref, "gpu"), tenant=tenant, vcpus=gpu.worker_vcpus)
        )
        return decide(work, lanes, cpu=on_cpu, gpu=on_gpu, prices=self._prices)

    def _estimate(self, work: Work, decision: Decision) -> Estimate:
        gpu = self._lanes.gpu
        today = datetime.fromtimestamp(self._clock.epoch_s(), UTC).date()
        return Estimate(
            items=work.items,
            objects=work.objects,
            seconds=decision.taken.seconds,
            usd=decision.taken.usd,
            lanes=list(decision.lanes),
            memory_mib=self._lanes.cpu.memory_mib,
            architecture=self._lanes.cpu.architecture,
            instance_type=self._prices.cheapest(gpu.instance_types) if gpu else None,
            prices_of=self._prices.name,
            notes=[*decision.notes, *self._prices.notes(region=self._lanes.region, today=today)],
        )
