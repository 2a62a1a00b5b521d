"""A CPU-lane job that is longer than the chain of runs after which Lambda's guard stops what may not loop."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

import msgspec

from builders import request
from lambent.adapters.dynamodb_job_list import DynamoJobCatalogue
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.sqs import SqsQueue
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.jobs import Plan
from lambent.domain.job_states import JobState
from lambent.domain.names import job_key
from lambent.runtime.clock import SystemClock
from lambent.services.send_shards import ShardSender
from lambent.services.submit_job import new_job
from lambent_toolkit.sandbox.lineage import MAX_RUNS

TENANT, JOB, SHARDS = "demo", "long-chain", 2 * MAX_RUNS + 8


def test_a_job_of_many_more_shards_than_its_window_runs_to_its_end_in_one_chain(product: Any) -> None:
    product.put_batch(TENANT, JOB, [png for png, _ in product.pictures[:SHARDS]])
    jobs = DynamoJobStore(product.table)
    wanted = request(id=JOB, model="digits", lane="cpu", input=BatchInput(manifest_uri="s3://x/y"))
    queued = new_job(TENANT, wanted, clock=SystemClock(), retention_days=1)
    lines = [
        json.dumps({"id": f"i{n:04d}", "key": f"inputs/{TENANT}/{JOB}/{n:04d}.png", "line": n + 1}) + "\n"
        for n in range(SHARDS)
    ]
    plan = Plan(
        tenant=TENANT,
        job_id=JOB,
        model="digits",
        version=1,
        lane="cpu",
        total=SHARDS,
        shards=SHARDS,
        shard_items=1,
        items_file="items.jsonl",
        offsets=[0, *accumulate(map(len, lines))],
        concurrency=1,
        output=wanted.output_options,
        accepted_at=queued.created_at,
        expires_at_s=queued.expires_at_s,
        why="test",
    )
    jobs.create(queued)
    product.put(job_key(TENANT, JOB, "plan.json"), msgspec.json.encode(plan))
    product.put(job_key(TENANT, JOB, plan.items_file), "".join(lines).encode())
    jobs.transition(
        TENANT,
        JOB,
        JobState.PLANNED,
        allowed=[JobState.QUEUED],
        at=queued.updated_at,
        version=1,
        lane="cpu",
        total=SHARDS,
        shards=SHARDS,
        concurrency=1,
    )
    planned = jobs.get(TENANT, JOB)
    assert planned is not None
    queue = SqsQueue(product.sqs, product.info.queues["infer"])
    sender = ShardSender(jobs=jobs, catalogue=DynamoJobCatalogue(product.table), queue=queue)
    assert sender.slots(planned) == 1

    sender.start(planned)

    ended = product.wait_for_job(JOB, TENANT)
    assert (ended["state"], ended["done"], ended["shard_counts"]["finished"]) == ("SUCCEEDED", SHARDS, SHARDS)
