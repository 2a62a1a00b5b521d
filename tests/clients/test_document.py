"""The API's document over HTTP, and everything in it that can be pasted."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from door import ROOT, Door, record_job

from patience import PATIENCE_S, wait_for

DOCUMENT = json.loads((ROOT / "functions/jobs/openapi.json").read_text())
PARAMETERS = DOCUMENT["components"]["parameters"]
# What a reader has to put in for himself.
BUCKET = "data-bucket"
UPLOAD_ID = PARAMETERS["uploadId"]["example"]
JSON = {"Content-Type": "application/json"}


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        target = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def pasted_path(path: str, operation: dict[str, Any]) -> str:
    """Return a path with the examples of its parameters."""
    parameters = [resolve(each) for each in operation.get("parameters", [])]
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    return path


def pasted_requests() -> Iterator[Any]:
    """Yield method, path, body and operation of every JSON example, and of every route without a body."""
    for method, path, operation in operations():
        content = resolve(operation.get("requestBody", {})).get("content")
        examples = {"": {"value": None}} if content is None else content.get("application/json", {}).get("examples", {})
        for name, example in examples.items():
            case = f"{method.upper()} {path} {name}".strip()
            yield pytest.param(method, pasted_path(path, operation), example["value"], operation, id=case)


def samples() -> Iterator[Any]:
    for _, _, operation in operations():
        for sample in operation.get("x-codeSamples", []):
            if sample["lang"] == "Shell":
                name = f"{operation['operationId']}: {sample['label']}"
                yield pytest.param(sample["source"], operation, id=name)


def sample(operation_id: str, label: str) -> str:
    (found,) = [
        each["source"]
        for _, _, operation in operations()
        if operation["operationId"] == operation_id
        for each in operation["x-codeSamples"]
        if each["label"] == label
    ]
    return found


def successes(operation: dict[str, Any]) -> set[int]:
    return {int(status) for status in operation["responses"] if int(status) < 400}


def with_open_job(door: Door, operation: dict[str, Any], text: str) -> str:
    """Return a sample that changes a job with the id of one that is accepted and goes on waiting."""
    if operation["operationId"] not in ("cancel_job", "prioritize_job"):
        return text
    job_id = f"open-{uuid4().hex}"
    record_job(door, job_id)
    return text.replace("/docs-1", f"/{job_id}")


def paste(door: Door, source: str, home: Path) -> int:
    """Run a sample in a shell; return the HTTP status."""
    (home / ".curlrc").write_text('write-out = "%{stderr}%{http_code}"\noutput = /dev/null\n')
    own = {"URL": door.url, "KEY": door.key, "DATA_BUCKET": door.data_bucket}
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), **own}
    done = subprocess.run(["bash", "-c", source], env=environment, capture_output=True, text=True, check=True)
    return int(done.stderr)


@pytest.fixture(scope="module")
def upload_id(door: Door, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make the jobs and the upload that the examples of reads ask for; return the upload's id."""
    bodies = DOCUMENT["components"]["requestBodies"]
    batch, picture = (
        json.dumps(bodies[name]["content"]["application/json"]["examples"][example]["value"])
        for name, example in (("submit_job", "batch"), ("grant_upload", "picture"))
    )
    paste(door, sample("predict", "curl: answered later"), tmp_path_factory.mktemp("home"))
    with door.http() as http:
        http.post("/jobs", content=batch.replace(BUCKET, door.data_bucket), headers=JSON).raise_for_status()
        granted = http.post("/uploads", content=picture, headers=JSON).raise_for_status().json()
        wait_for_answer(http, PARAMETERS["callId"]["example"])
        wait_for_end(http, json.loads(batch)["id"])
    return granted["id"]


def wait_for_answer(http: httpx.Client, job_id: str) -> None:
    wait_for(lambda: http.get(f"/jobs/{job_id}/result").status_code != 409, what=f"the end of {job_id}")


def wait_for_end(http: httpx.Client, job_id: str) -> None:
    """Wait for the batch, which can be retried only once it has ended."""
    ended = {"SUCCEEDED", "PARTIAL", "FAILED"}
    wait_for(lambda: http.get(f"/jobs/{job_id}").json()["state"] in ended, what=f"the end of {job_id}")


def test_the_document_is_served_to_everybody(door: Door) -> None:
    answer = httpx.get(f"{door.url}/openapi.json", timeout=PATIENCE_S)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == DOCUMENT


def test_the_page_is_served_to_everybody_and_may_run_only_what_it_holds(door: Door) -> None:
    answer = httpx.get(f"{door.url}/docs", timeout=PATIENCE_S)

    policy = answer.headers["content-security-policy"]
    parts = [re.search(rf"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL) for tag in ("style", "script")]
    hashes = [b64encode(sha256(part[1].encode()).digest()).decode() for part in parts if part]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; ")
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes


@pytest.mark.parametrize(("method", "path", "body", "operation"), list(pasted_requests()))
def test_an_example_of_the_document_works(
    door: Door, upload_id: str, method: str, path: str, body: Any, operation: dict[str, Any]
) -> None:
    content = None if body is None else json.dumps(body).replace(BUCKET, door.data_bucket)
    headers = {} if body is None else JSON

    with door.http() as http:
        answer = http.request(
            method, with_open_job(door, operation, path.replace(UPLOAD_ID, upload_id)), content=content, headers=headers
        )

    assert answer.status_code in successes(operation), answer.text
    content_type = answer.headers["content-type"].partition(";")[0]
    assert content_type in operation["responses"][str(answer.status_code)]["content"]


@pytest.mark.parametrize(("source", "operation"), list(samples()))
def test_a_sample_of_the_page_works_when_pasted(
    door: Door, upload_id: str, source: str, operation: dict[str, Any], tmp_path: Path
) -> None:
    status = paste(door, with_open_job(door, operation, source.replace(UPLOAD_ID, upload_id)), tmp_path)

    assert status in successes(operation)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/docs", "/models/digits/predict", "/v2/models/digits/infer"])
def test_a_method_that_the_document_does_not_have_is_no_route(door: Door, method: str, path: str) -> None:
    with door.http() as http:
        answer = http.request(method, path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert method == "HEAD" or answer.json()["code"] == "route_not_found"
