"""Jobs over HTTP and by `lambent jobs`: submitted from a local file, watched, read while they run."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lambent.adapters.batch_lane import BatchLane
from lambent.domain.waiting import in_gpu_lane
from lambent_toolkit.cli.main import app
from lambent_toolkit.jobs.client import Door, JobsClient

BAD = b"not a picture"
LINES = {"accept": "application/x-ndjson"}


@pytest.fixture
def command(product: Any, monkeypatch: pytest.MonkeyPatch):
    """Return `lambent jobs`, talking to the stack as to a deployed one."""
    monkeypatch.setenv("LAMBENT_URL", product.info.url)
    monkeypatch.setenv("LAMBENT_API_KEY", product.info.api_key)

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["jobs", *words])
        return result.exit_code, result.stdout

    return run


def manifest(product: Any, folder: Path, count: int, *, bad: tuple[int, ...] = ()) -> Path:
    """Write a manifest whose items are in it: digits, and what is none at these positions."""
    file = folder / "items.jsonl"
    with file.open("w") as lines:
        for index in range(count):
            picture = BAD if index in bad else product.pictures[index % len(product.pictures)][0]
            item = {"id": f"d{index:04d}", "image": {"b64": b64encode(picture).decode()}}
            lines.write(json.dumps(item) + "\n")
    return file


def test_a_local_file_is_watched_to_its_end_and_its_errors_have_their_lines(
    product: Any, command: Any, tmp_path: Path
) -> None:
    items, out = manifest(product, tmp_path, 60, bad=(17, 41)), tmp_path / "out.jsonl"

    code, told = command("submit", str(items), "-m", "digits", "--lane", "cpu", "--id", "watched-1", "--wait")
    saved = command("results", "watched-1", "-o", str(out))
    errors = command("errors", "watched-1", "--json")
    listed = command("list", "--in", "partial", "-m", "digits")

    assert code == 101
    assert "! job watched-1 PARTIAL" in told
    assert "58 of 60 items have a result, 2 failed" in told
    assert (saved[0], [json.loads(line)["id"] for line in out.read_text().splitlines()]) == (
        0,
        [f"d{index:04d}" for index in range(60)],
    )
    assert [(each["id"], each["line"]) for each in map(json.loads, errors[1].splitlines())] == [
        ("d0017", 18),
        ("d0041", 42),
    ]
    assert "watched-1" in listed[1]


def test_results_are_read_while_the_job_runs_in_the_order_of_the_items(product: Any, tmp_path: Path) -> None:
    items = manifest(product, tmp_path, 800)
    with JobsClient(Door(product.info.url, product.info.api_key)) as client:
        uri = client.upload_input(items, name=items.name, content_type="application/x-ndjson", sha256=_sha256(items))
        client.submit({"schema_version": 1, "id": "read-live", "model": "digits", "lane": "cpu", "input": {"uri": uri}})
    ids: list[str] = []
    while_running, query = 0, {}
    while True:
        answer = product.http.get("/jobs/read-live/results", headers=LINES, params=query)
        assert answer.status_code == 200, answer.text
        ids += [json.loads(line)["id"] for line in answer.text.splitlines()]
        if answer.headers["Lambent-Job-State"] == "RUNNING":
            while_running = len(ids)
        if "Lambent-Next-Cursor" not in answer.headers:
            break
        query = {"cursor": answer.headers["Lambent-Next-Cursor"]}

    job = product.http.get("/jobs/read-live").json()
    parts = product.http.get("/jobs/read-live/results").json()
    part = parts["parts"][0]
    assert ids == [f"d{index:04d}" for index in range(800)]
    assert while_running > 0
    assert (job["state"], job["shard_counts"]["finished"]) == ("SUCCEEDED", len(parts["parts"]))
    assert product.http.get(part["url"], headers={"x-api-key": ""}).content.count(b"\n") == part["lines"]


def test_another_tenants_job_answers_every_route_as_an_unknown_one(product: Any) -> None:
    product.send_batch(
        json.dumps(
            {"schema_version": 1, "id": "foreign-1", "model": "nobody", "input": {"items": [{"id": "a", "text": "x"}]}}
        ),
        tenant="other",
    )
    product.wait_for_job("foreign-1", "other")

    for path in ("/jobs/{}", "/jobs/{}/results", "/jobs/{}/errors", "/jobs/{}/result"):
        foreign, unknown = (product.http.get(path.format(name)) for name in ("foreign-1", "none-such"))
        assert foreign.status_code == unknown.status_code == 404
        assert _without_id(foreign.content) == _without_id(unknown.content)
    assert "foreign-1" not in product.http.get("/jobs", params={"limit": "100"}).text


def test_aws_batch_is_asked_why_a_job_waits(product: Any) -> None:
    batch = product.info.client("batch")
    queue = product.info.resources["BatchJobQueue"]
    submitted = batch.submit_job(
        jobName="waits",
        jobQueue=queue,
        jobDefinition=product.info.resources["BatchJobDefinition"],
        arrayProperties={"size": 2},
        parameters={"tenant": "nobody", "job_id": "none"},
    )
    try:
        found = BatchLane(lambda: batch, job_queue=queue).condition(submitted["jobId"], block=None)
    finally:
        batch.terminate_job(jobId=submitted["jobId"], reason="test")

    assert found is not None
    assert (found.queue_state, [each.state for each in found.environments]) == ("ENABLED", ["ENABLED"])
    assert found.environments[0].max_vcpus == 64
    assert in_gpu_lane(found).code in (
        "host_starting", "behind_jobs", "container_starting", "starting", "ending",
    )  # fmt: skip


def _sha256(file: Path) -> str:
    from hashlib import sha256

    return sha256(file.read_bytes()).hexdigest()


def _without_id(body: bytes) -> bytes:
    return body.replace(json.loads(body)["request_id"].encode(), b"")
