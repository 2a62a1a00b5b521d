"""What a million predictions cost, by the way that they take; and what else grows with use."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lambent.domain.lane_costs import MIB_PER_GB, cpu_parts, total_usd
from lambent.domain.prices import PRICES
from lambent_toolkit.costs import prices
from lambent_toolkit.costs.idle import MONTH_S

MILLION = 1_000_000
# Defaults of PredictMemory and InferMemory: one whole vCPU.
MEMORY_MIB = 1769
# Milliseconds in PredictFunction's handler, warm, as README.md tells them: `tests/bench/bench_data_plane.py`, on this
# repository's development machine. Lambda's processors differ, and bill a little more: from an event's arrival on.
HANDLER_MS = {
    "a JPEG 640x480, MobileNetV2 int8": 5.97,
    "224x224x3 as OIP binary, the same model": 4.30,
    "one row as OIP JSON, a small model": 0.29,
}
# A JPEG by the bare interpreter, and the share of its rate that a shard of the CPU lane reaches; README.md too.
BARE_MS, INT8_SHARE = 5.41, 0.94
# A shard whose rate is known is 2 to 12 s of work.
SHARD_S = 6.0
# The record of a prediction, whose size a test knows, and what Lambda logs of each call in JSON, which is assumed.
RECORD_BYTES, PLATFORM_BYTES = 600, 600
# X-Ray's default rule: the first request of each second, and of the others:
TRACED_SHARE, TRACED_A_SECOND = 0.05, 1
# What a version in use records under its own dimension: Requests, Predictions and PredictLatency.
VERSION_METRICS = 3
# What API Gateway's detailed metrics add for each route in use.
ROUTE_METRICS = 5
_BUSY_RATE = 50
_BYTES_PER_GB = 1e9


@dataclass(frozen=True)
class Way:
    """One way to a million predictions, in USD, without anything free.

    Parameters
    ----------
    what
    gateway     API Gateway's part; 0 where there is none
    compute     Lambda, with its requests
    watching    logs and traces
    rest        queues, objects and rows
    """

    what: str
    gateway: float
    compute: float
    watching: float = 0.0
    rest: float = 0.0

    @property
    def total(self) -> float:
        """The sum, in USD."""
        return self.gateway + self.compute + self.watching + self.rest


def ways() -> list[Way]:
    """Return what a million predictions cost on each way that somebody has measured."""
    return [*(_by_http(what, ms) for what, ms in HANDLER_MS.items()), _by_shards()]


def growing() -> list[tuple[str, float]]:
    """Return what a month of use adds, in USD, without anything free."""
    requests = _BUSY_RATE * MONTH_S
    traces = TRACED_A_SECOND * MONTH_S + TRACED_SHARE * requests
    return [
        ("each version in use, for its own metrics", VERSION_METRICS * prices.METRIC.price.usd),
        ("each route in use, with API Gateway's detailed metrics", ROUTE_METRICS * prices.METRIC.price.usd),
        (f"traces of {_BUSY_RATE} requests a second, all month", traces * prices.TRACE.price.usd),
    ]


def _by_http(what: str, handler_ms: float) -> Way:
    billed_s = math.ceil(handler_ms) / 1000
    work = MILLION * billed_s * MEMORY_MIB / MIB_PER_GB
    log_gb = MILLION * (RECORD_BYTES + PLATFORM_BYTES) / _BYTES_PER_GB
    return Way(
        f"HTTP: {what}",
        gateway=MILLION * prices.GATEWAY_REQUEST.price.usd,
        compute=work * prices.LAMBDA_GB_SECOND.price.usd + MILLION * prices.LAMBDA_REQUEST.price.usd,
        watching=log_gb * prices.LOG_GB.price.usd + MILLION * TRACED_SHARE * prices.TRACE.price.usd,
    )


def _by_shards() -> Way:
    busy_s = MILLION * BARE_MS / INT8_SHARE / 1000
    shards = math.ceil(busy_s / SHARD_S)
    parts = cpu_parts(
        PRICES, busy_s=busy_s, memory_mib=MEMORY_MIB, architecture="x86_64", shards=shards, objects=MILLION
    )
    compute = [part for part in parts if part.what.startswith("Lambda")]
    rest = [part for part in parts if part not in compute]
    return Way("batch, CPU lane: the same JPEG, an object each", 0.0, total_usd(compute), rest=total_usd(rest))
