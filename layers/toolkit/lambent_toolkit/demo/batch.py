"""Step 7: one message on the queue becomes an AWS Batch array job."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, perf_counter, sleep
from typing import Any

from rich.markup import escape

from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.cli.watch import ConsoleWatcher
from lambent_toolkit.demo.stage import DemoFailed, Stage
from lambent_toolkit.modelkit.recipe import LabelledItems, held_out
from lambent_toolkit.modelkit.recipes import RECIPES

ITEMS = 300
_MIN_CHILDREN = 3
_MIN_ACCURACY = 0.95
_LIMIT_S = 300
_PAUSE_S = 0.3
_SHOWN_ID = 24
_TERMINAL = ("SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED")


def predict_batch(stage: Stage, lane: str = "gpu") -> None:
    """Step 7: a manifest of 300 held-out digits through a lane."""
    pictures = held_out(RECIPES["digits"])
    start = perf_counter()
    manifest_uri = upload_items(stage, pictures)
    uploaded_s = perf_counter() - start
    job_id = f"{stage.run}-batch" if lane == "gpu" else f"{stage.run}-batch-{lane}"
    request = batch_request(stage, job_id, manifest_uri, lane=lane)
    _quote(stage, request)
    send_request(stage, request)
    stage.say(f"{ITEMS} PNG files and their manifest put in {uploaded_s:.1f} s, one message sent to the batch queue")
    sent = perf_counter()
    job = watch_job(stage, job_id)
    took_s = perf_counter() - sent
    answers = _read_parts(stage, job)
    _show(stage, job, took_s)
    _check_lane(stage, job, lane)
    _check(stage, job, answers, pictures)
    stage.figures[f"{ITEMS} images, {lane.upper()} lane"] = f"{took_s:.1f} s"


def _quote(stage: Stage, request: str) -> None:
    answer = stage.http.post("/jobs?dry_run=true", content=request, headers={"content-type": "application/json"})
    quote: dict[str, Any] = answer.json()
    if not answer.is_success:
        raise DemoFailed(f"the quote answered {answer.status_code}: {answer.text}")
    stage.say(f"quote, nothing is run yet: [dim]{escape(quote['why'])}[/]")


def batch_request(stage: Stage, job_id: str, manifest_uri: str, *, lane: str) -> str:
    """Return the body of a batch request for the live version."""
    request = {
        "schema_version": 1,
        "id": job_id,
        "model": stage.model_name,
        "label": "live",
        "lane": lane,
        "input": {"manifest_uri": manifest_uri},
    }
    return json.dumps(request)


def send_request(stage: Stage, body: str) -> None:
    """Put a message on the batch queue, as a trusted producer does: the tenant is in its envelope, and is its group."""
    stage.sqs.send_message(
        QueueUrl=stage.stack.queues["batch"],
        MessageBody=body,
        MessageGroupId=stage.tenant,
        MessageAttributes={"tenant": {"DataType": "String", "StringValue": stage.tenant}},
    )


def watch_job(stage: Stage, job_id: str, *, total: int = ITEMS, limit_s: float = _LIMIT_S) -> dict[str, Any]:
    """Show a job's record until it ends, and return it; raises DemoFailed after ``limit_s``."""
    deadline_s = monotonic() + limit_s * stage.patience
    with ConsoleWatcher(stage.console) as watcher:
        watcher.begin(f"job {_shortened(job_id)}", total=total)
        while monotonic() < deadline_s:
            answer = stage.http.get(f"/jobs/{job_id}")
            if answer.is_success:
                job: dict[str, Any] = answer.json()
                watcher.show(job["done"] + job["failed"], _progress(job))
                if job["state"] in _TERMINAL:
                    return job
            sleep(_PAUSE_S)
    raise DemoFailed(f"job {job_id} did not end within {limit_s:.0f} s")


def upload_items(stage: Stage, pictures: LabelledItems) -> str:
    """Put 300 pictures and their manifest into the tenant's inputs, and return the manifest's address."""
    keys = [f"inputs/{stage.tenant}/{stage.model_name}/{row:04d}.png" for row in range(ITEMS)]
    with ConsoleWatcher(stage.console) as watcher, ThreadPoolExecutor(8) as pool:
        watcher.begin(f"put {ITEMS} images", total=ITEMS)
        uris = []
        for uri in pool.map(stage.put, keys, pictures.items[:ITEMS]):
            uris.append(uri)
            watcher.advance()
    lines = [json.dumps({"id": f"d{row:04d}", "uri": uri}) for row, uri in enumerate(uris)]
    return stage.put(f"inputs/{stage.tenant}/{stage.model_name}/manifest.jsonl", "\n".join(lines).encode())


def _shortened(job_id: str) -> str:
    return job_id if len(job_id) <= _SHOWN_ID else f"{job_id[: _SHOWN_ID - 8]}…{job_id[-7:]}"


def _progress(job: dict[str, Any]) -> str:
    finished = sum(shard["state"] == "FINISHED" for shard in job["shards"])
    shards = f", {finished} of {len(job['shards'])} shards written" if job["shards"] else ""
    return f"{job['state']}{shards}"


def _read_parts(stage: Stage, job: dict[str, Any]) -> list[dict[str, Any]]:
    answers = []
    for shard in range(len(job["shards"])):
        body = stage.get(f"jobs/{stage.tenant}/{job['id']}/part-{shard:05d}.jsonl")
        if body is None:
            raise DemoFailed(f"part {shard} of the results is missing")
        answers += [json.loads(line) for line in body.splitlines()]
    return answers


def _show(stage: Stage, job: dict[str, Any], took_s: float) -> None:
    table = plain_table("shard", "results", "failed", "file", right=(0, 1, 2))
    for shard in job["shards"]:
        file = f"jobs/{stage.tenant}/{job['id']}/part-{shard['shard']:05d}.jsonl"
        table.add_row(str(shard["shard"]), str(shard["done"]), str(shard["failed"]), file)
    stage.show(table)
    stage.say(f"{job['model']}@{job['version']} on the {job['lane']} lane, {took_s:.1f} s")


def _check_lane(stage: Stage, job: dict[str, Any], lane: str) -> None:
    shards = len(job["shards"])
    if lane == "gpu":
        promise = f"it ran as an array of {shards} children of the worker's real entry point"
        stage.check(shards >= _MIN_CHILDREN and job["lane"] == lane, promise, got=job)
    else:
        stage.check(job["lane"] == lane, f"it ran in {shards} shards through the inference queue", got=job)


def _check(stage: Stage, job: dict[str, Any], answers: list[dict[str, Any]], pictures: LabelledItems) -> None:
    stage.check(job["state"] == "SUCCEEDED", "the job SUCCEEDED", got=job)
    counts = (job["total"], job["done"], job["failed"], len({answer["id"] for answer in answers}))
    stage.check(
        counts == (ITEMS, ITEMS, 0, ITEMS), f"{ITEMS} items, {ITEMS} results, none twice, none failed", got=counts
    )
    right = sum(answer["label"] == str(pictures.targets[int(answer["id"][1:])]) for answer in answers)
    stage.check(right / ITEMS >= _MIN_ACCURACY, f"{right} of {ITEMS} are right: {right / ITEMS:.1%}", got=right)
