"""A job's plan and the items of its shards, as whoever runs, ends or repeats a job reads them."""

from __future__ import annotations

import msgspec

from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import Plan, ShardItem
from lambent.domain.names import job_key
from lambent.ports import ObjectStore

PLAN_FILE = "plan.json"
_ITEM = msgspec.json.Decoder(ShardItem)


def read_plan(data: ObjectStore, tenant: str, job_id: str) -> Plan:
    """Return a job's plan; raises SourceGone if it has none."""
    return decode_json(data.read(job_key(tenant, job_id, PLAN_FILE)).body, Plan, what="plan")


def read_shard(data: ObjectStore, plan: Plan, shard: int) -> list[ShardItem]:
    """Return the items of one shard; raises SourceGone if the job has no such shard or its items have expired."""
    start, stop = plan.offsets[shard], plan.offsets[shard + 1]
    body = data.read_range(job_key(plan.tenant, plan.job_id, plan.items_file), start, stop)
    # Our own writing, digest in its name: no need to check its JSON again.
    return [_ITEM.decode(line) for line in body.splitlines()]
