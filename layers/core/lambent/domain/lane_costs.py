"""What a batch costs on a lane, part by part; the same parts before (estimated) and after (as measured)."""

from __future__ import annotations

from lambent.contracts.quotes import CostPart
from lambent.domain.prices import SPOT_SHARE, PriceTable

MIB_PER_GB = 1024
# A shard reads its plan and its items and writes its start, checkpoints and part, and the job's end reads the part.
_SHARD_WRITES = 4
_SHARD_READS = 4
# Each shard is a message: sent, received, deleted.
_MESSAGE_REQUESTS = 3
# A shard's row: a heartbeat a second while it works, its end, and the job's own row.
_SHARD_ROW_WRITES = 3
_SHARD_ROW_READS = 4


def cpu_parts(
    prices: PriceTable,
    *,
    busy_s: float,
    memory_mib: int,
    architecture: str,
    shards: int,
    objects: int,
    is_measured: bool = False,
) -> list[CostPart]:
    """Return the parts of a batch in Lambda.

    ``busy_s`` is the work of all environments together, which ``is_measured`` in the end. Billed is a little more: from
    a message's arrival on.
    """
    gb_seconds = busy_s * memory_mib / MIB_PER_GB
    return [
        CostPart(
            what=f"Lambda, {memory_mib} MiB {architecture}",
            quantity=gb_seconds,
            unit="GB-s",
            usd=gb_seconds * prices.gb_seconds[architecture].usd,
            is_estimated=not is_measured,
        ),
        _part("Lambda requests", shards, "requests", prices.lambda_request.usd),
        _part("SQS", shards * _MESSAGE_REQUESTS, "requests", prices.queue_request.usd),
        *_storage_parts(prices, busy_s=busy_s, shards=shards, objects=objects),
    ]


def gpu_parts(
    prices: PriceTable, *, instance_type: str, instance_s: float, busy_s: float, shards: int, objects: int
) -> list[CostPart]:
    """Return the parts of a batch on AWS Batch; ``instance_s`` is what hosts are held for, starting included."""
    return [
        _part(
            f"EC2 spot, {instance_type} at {SPOT_SHARE:.0%} of on demand",
            instance_s,
            "s",
            prices.spot_second_usd(instance_type),
        ),
        *_storage_parts(prices, busy_s=busy_s, shards=shards, objects=objects),
    ]


def total_usd(parts: list[CostPart]) -> float:
    """Return the sum."""
    return sum(part.usd for part in parts)


def _storage_parts(prices: PriceTable, *, busy_s: float, shards: int, objects: int) -> list[CostPart]:
    return [
        _part("S3 reads", objects + shards * _SHARD_READS, "GET", prices.store_read.usd),
        _part("S3 writes", shards * _SHARD_WRITES, "PUT", prices.store_write.usd),
        _part("DynamoDB writes", busy_s + shards * _SHARD_ROW_WRITES, "writes", prices.row_write.usd),
        _part("DynamoDB reads", shards * _SHARD_ROW_READS, "reads", prices.row_read.usd),
    ]


def _part(what: str, quantity: float, unit: str, price_usd: float) -> CostPart:
    return CostPart(what=what, quantity=quantity, unit=unit, usd=quantity * price_usd)
