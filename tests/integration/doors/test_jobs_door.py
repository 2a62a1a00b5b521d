"""Jobs over HTTP and by `lambent jobs`: submitted from a local file, watched, read while they run."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lambent.adapters.batch_lane import BatchLane
from lambent.contracts.jobs import ShardItem
from lambent.domain.waiting import in_gpu_lane
from lambent_toolkit.cli.main import app
from patience import wait_for

BAD = b"not a picture"
LINES = {"accept": "application/x-ndjson"}
OWN_TENANT = "default"  # whom the stack's own key stands for


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


def test_results_are_read_while_the_job_runs_in_the_order_of_the_items(product: Any) -> None:
    name, wanted = "read-live", [f"d{index:04d}" for index in range(30)]
    pictures = [png for png, _ in product.pictures]
    items = [ShardItem(id=id_, line=1 + index, data=pictures[index]) for index, id_ in enumerate(wanted)]
    product.plan_job(OWN_TENANT, name, items, lane="cpu", shard_items=10)

    product.send_shard(OWN_TENANT, name, 0)
    running, cursor = wait_for(lambda: next_results(product, name, None), what="results of the first shard")
    # The last shard's results wait for those of the one before it.
    product.send_shard(OWN_TENANT, name, 2)
    wait_for(lambda: product.job(name, OWN_TENANT)["shard_counts"]["finished"] == 2, what="the last shard")
    passed_over = lines_of(product, name, cursor)
    product.send_shard(OWN_TENANT, name, 1)
    rest, end = wait_for(lambda: next_results(product, name, cursor, "SUCCEEDED"), what="the other results")

    job = product.http.get(f"/jobs/{name}").json()
    parts = product.http.get(f"/jobs/{name}/results").json()
    part = parts["parts"][0]
    assert (running, rest, end) == (wanted[:10], wanted[10:], None)
    assert (ids_of(passed_over), passed_over.headers["Lambent-Job-State"]) == ([], "RUNNING")
    assert passed_over.headers["Lambent-Next-Cursor"] == cursor
    assert (job["state"], job["shard_counts"]["finished"]) == ("SUCCEEDED", len(parts["parts"]))
    assert product.http.get(part["url"], headers={"x-api-key": ""}).content.count(b"\n") == part["lines"]


def next_results(
    product: Any, name: str, cursor: str | None, state: str = "RUNNING"
) -> tuple[list[str], str | None] | None:
    """Return the ids that stand at a cursor of a job in this state and the cursor behind them, None without any."""
    answer = lines_of(product, name, cursor)
    found = ids_of(answer) if answer.headers["Lambent-Job-State"] == state else []
    return (found, answer.headers.get("Lambent-Next-Cursor")) if found else None


def lines_of(product: Any, name: str, cursor: str | None) -> Any:
    answer = product.http.get(f"/jobs/{name}/results", headers=LINES, params={"cursor": cursor} if cursor else {})
    assert answer.status_code == 200, answer.text
    return answer


def ids_of(answer: Any) -> list[str]:
    return [json.loads(line)["id"] for line in answer.text.splitlines()]


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


def _without_id(body: bytes) -> bytes:
    return body.replace(json.loads(body)["request_id"].encode(), b"")
