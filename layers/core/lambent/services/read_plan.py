"""A job's plan and the items of its shards, as whoever runs, ends or repeats a job reads them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import Plan, ShardItem
from lambent.domain.names import job_key
from lambent.errors import SourceGone
from lambent.ports import ObjectStore

PLAN_FILE = "plan.json"
# A piece is one request to the store, and what is in memory at a time: about 2,000 items that are addresses.
_PIECE_BYTES = 1 << 18
# Our own writing, digest in its name: no need to check its JSON again.
_ITEM = msgspec.json.Decoder(ShardItem)


def read_plan(data: ObjectStore, tenant: str, job_id: str) -> Plan:
    """Return a job's plan; raises SourceGone if it has none."""
    return decode_json(data.read(job_key(tenant, job_id, PLAN_FILE)).body, Plan, what="plan")


def plan_of_shard(data: ObjectStore, tenant: str, job_id: str, shard: int) -> Plan:
    """Return the plan of a shard's job; raises SourceGone if the job has none, or no such shard."""
    plan = read_plan(data, tenant, job_id)
    _check_shard(plan, shard)
    return plan


def each_item(data: ObjectStore, plan: Plan, shard: int) -> Iterator[ShardItem]:
    """Yield the items of one shard, read piece by piece, so that memory does not depend on their number.

    Raises
    ------
    SourceGone    the job has no such shard, or its items have expired
    Unavailable
    """
    _check_shard(plan, shard)
    key = job_key(plan.tenant, plan.job_id, plan.items_file)
    stop = plan.offsets[shard + 1]
    rest = b""
    for start in range(plan.offsets[shard], stop, _PIECE_BYTES):
        *lines, rest = (rest + data.read_range(key, start, min(start + _PIECE_BYTES, stop))).split(b"\n")
        yield from map(_ITEM.decode, lines)


def _check_shard(plan: Plan, shard: int) -> None:
    if shard >= plan.shards:
        raise SourceGone(f"The job has {plan.shards} shards; there is none of number {shard}.")
