"""What breaks underneath loses nothing that was accepted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from lambent.contracts.lines import decode_lines
from patience import wait_for


def processes(*wanted: str) -> list[int]:
    """Return the ids of processes whose environment or command line hold all of these texts."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "environ").read_bytes() + b"\0" + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if all(part.encode() in text for part in wanted):
            found.append(int(folder.name))
    return found


def kill(pids: list[int]) -> int:
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed += 1
    return killed


def test_a_poison_message_ends_in_the_dead_letter_queue_and_its_neighbours_do_not(product: Any) -> None:
    poison = '{"kind": "nothing of ours"}'
    product.sqs.send_message(QueueUrl=product.info.queues["infer"], MessageBody=poison)
    product.put("inbox/poison/digits/good.png", product.seven)

    assert product.wait_for_json("results/poison/digits/good.png.json")["label"] == "7"
    assert product.wait_for_dead_letter("infer_dead_letter", "envelope_invalid", body=poison) == poison


def test_function_processes_that_die_in_the_middle_of_their_work_lose_no_upload(product: Any) -> None:
    names = [f"{index:02d}.png" for index in range(40)]
    functions = [product.info.functions["preprocess"], product.info.functions["infer"]]

    for index, name in enumerate(names):
        product.put(f"inbox/crash/digits/{name}", product.pictures[index][0])
        if index % 8 == 5:
            # What was uploaded starts a process sooner or later, where there is none yet.
            marks = (f"AWS_LAMBDA_FUNCTION_NAME={functions[index // 8 % 2]}", product.info.endpoint)
            wait_for(lambda marks=marks: kill(processes(*marks)), what=f"a process with {marks}")
    results = [product.wait_for_json(f"results/crash/digits/{name}.json") for name in names]

    assert [result["label"] for result in results] == product.told[:40]
    assert not [key for key in product.keys("results/crash/") if key.endswith(".error.json")]


def test_a_batch_child_that_dies_once_is_retried_and_its_items_have_results(product: Any) -> None:
    job_id = "dies-once"
    manifest = product.put_batch("losses", job_id, [png for png, _ in product.pictures[:201]])
    model = product.publish_as("dying")
    request = {"schema_version": 1, "id": job_id, "model": model, "lane": "gpu", "input": {"manifest_uri": manifest}}

    product.send_batch(json.dumps(request), tenant="losses")
    marks = (job_id, "AWS_BATCH_JOB_ARRAY_INDEX=1", "AWS_BATCH_JOB_ATTEMPT=1")
    wait_for(lambda: kill(processes(*marks)), what="the child's start")
    job = product.wait_for_job(job_id, "losses")

    batch_job_id = product.batch_job_id(job_id, "losses")
    (child,) = product.info.client("batch").describe_jobs(jobs=[f"{batch_job_id}:1"])["jobs"]
    items = [
        line["id"]
        for shard in range(3)
        for line in decode_lines(product.read(f"jobs/losses/{job_id}/part-{shard:05d}.jsonl"))
    ]
    assert (job["state"], job["done"], job["failed"]) == ("SUCCEEDED", 201, 0)
    assert [attempt["container"].get("exitCode") for attempt in child["attempts"]] == [137, 0]
    assert items == [f"i{index:04d}" for index in range(201)]


def test_a_lost_last_event_is_healed_by_the_sweep(product: Any) -> None:
    product.plan_gpu_job("swept")
    product.put("jobs/demo/swept/part-00000.jsonl", b'{"id":"a","label":"7"}\n')
    shard = {"pk": "JOB#demo#swept", "sk": "SHARD#00000", "shard": 0, "done": 1, "failed": 0}
    product.table.put_item(Item={**shard, "is_finished": True, "updated_at": "2026-01-01T00:00:00.000Z"})
    product.table.update_item(
        Key={"pk": "JOB#demo#swept", "sk": "JOB"},
        UpdateExpression="SET updated_at = :at",
        ExpressionAttributeValues={":at": "2026-01-01T00:00:00.000Z"},
    )

    # The schedule's own sweep may be the one that finds it, or be at it at this moment.
    product.invoke("sweep", {})

    assert product.wait_for_job("swept")["state"] == "SUCCEEDED"
