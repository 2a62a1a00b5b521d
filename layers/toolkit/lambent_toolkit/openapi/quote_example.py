"""The example of a quote: what the planner itself says of a made-up batch."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.contracts.quotes import Estimate, Quote, ThroughputView
from lambent.domain.lanes import CpuLane, GpuLane, Lanes, Work
from lambent.domain.model import KERAS_FILE, TFLITE_FILE
from lambent.domain.planning import decide
from lambent.domain.prices import PRICES
from lambent.domain.throughput import Rate
from lambent_toolkit.openapi import samples

_ITEMS = 20_000
_LANES = Lanes(
    cpu=CpuLane(memory_mib=1769, architecture="x86_64", timeout_s=120.0, max_concurrency=6, threads=1),
    gpu=GpuLane(("g4dn.xlarge",), worker_vcpus=4, max_hosts=16, timeout_s=3600.0),
    shard_items=100,
    region=PRICES.region,
)


def _rate(items_per_s: float, device: str) -> Rate:
    at = "2026-11-23T21:00:00.000Z"
    view = ThroughputView(items_per_s=items_per_s, device=device, source="observed", at=at, jobs=3, job="docs-0")
    return Rate(items_per_s, with_fetching=True, view=view)


def _quote() -> dict[str, Any]:
    work = Work(_ITEMS, _ITEMS, "auto", frozenset({TFLITE_FILE, KERAS_FILE}))
    on_cpu, on_gpu = _rate(80.0, "1769 MiB x86_64"), _rate(900.0, "a container of the GPU lane")
    decision = decide(work, _LANES, cpu=on_cpu, gpu=on_gpu, prices=PRICES)
    taken = decision.taken
    quote = Quote(
        model=samples.MODEL,
        version="1",
        lane=taken.lane,
        total=_ITEMS,
        is_total_exact=True,
        counted="all items were read and checked",
        shards=taken.shards,
        shard_items=taken.shard_items,
        array_size=None,
        concurrency=taken.workers,
        why=decision.why,
        estimate=Estimate(
            items=_ITEMS,
            objects=_ITEMS,
            seconds=taken.seconds,
            usd=taken.usd,
            lanes=list(decision.lanes),
            memory_mib=_LANES.cpu.memory_mib,
            architecture=_LANES.cpu.architecture,
            instance_type="g4dn.xlarge",
            prices_of=PRICES.name,
            notes=decision.notes,
        ),
    )
    return dict(msgspec.to_builtins(quote))


QUOTE = _quote()
