"""The stack's storage stands still and goes on again: doors say so, and nothing that was accepted is lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from published import publish_shade
from stack_pace import UNHURRIED

from builders import picture
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S, wait_for

# A remembered label needs no storage.
PARAMETERS = {**UNHURRIED, "LabelTtlSeconds": "0"}
PNG = {"content-type": "image/png"}
ASKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "predict": ("POST", "/models/shade/predict", {"content": picture(0), "headers": PNG}),
    "later": ("POST", "/models/shade/predict", {"content": picture(0), "headers": PNG | {"prefer": "respond-async"}}),
    "jobs": ("GET", "/jobs", {}),
    "models": ("GET", "/models", {}),
    "ready": ("GET", "/v2/health/ready", {}),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Return a stack of its own: what stops here stops nobody else's tests."""
    with LocalStack(tmp_path_factory.mktemp("outage"), parameters=PARAMETERS, retry_scale=1 / 60) as running:
        publish_shade(running.info, name="shade")
        Publisher(running.info).set_label("shade", "live", 1)
        yield running


@pytest.fixture(scope="module")
def http(stack: LocalStack) -> Iterator[httpx.Client]:
    headers = {"x-api-key": stack.info.api_key}
    with httpx.Client(base_url=stack.info.url, headers=headers, timeout=PATIENCE_S) as client:
        yield client


@contextmanager
def standing_still(stack: LocalStack) -> Iterator[None]:
    """Stop the storage's process for as long as the block runs."""
    (pid,) = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if is_storage(folder, stack.info.pid)]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def is_storage(folder: Path, supervisor: int) -> bool:
    try:
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        return parent == supervisor and b"storage_server" in (folder / "cmdline").read_bytes()
    except OSError:
        return False


def ask(http: httpx.Client, name: str) -> httpx.Response:
    method, path, more = ASKED[name]
    return http.request(method, path, **more)


def answered(http: httpx.Client, path: str) -> dict[str, Any] | None:
    """Return a call's job once it has ended well."""
    job = http.get(path).json()
    return job if job.get("state") == "SUCCEEDED" else None


def test_doors_say_when_to_try_again_and_what_was_accepted_is_answered(stack: LocalStack, http: httpx.Client) -> None:
    before = {name: wait_for(lambda name=name: well(http, name), what=f"an answer of {name}") for name in ASKED}
    accepted = ask(http, "later")

    with standing_still(stack):
        during = {name: ask(http, name) for name in ASKED}
        lives = http.get("/v2/health/live")
    after = {name: wait_for(lambda name=name: well(http, name), what=f"{name} once all is well") for name in ASKED}
    told = wait_for(lambda: answered(http, relative(accepted)), what="the answer of what was accepted before")

    assert lives.status_code == 200
    for name, answer in during.items():
        body = json.loads(answer.content)
        assert (answer.status_code, body["code"], body["retryable"]) == (503, "unavailable", True), name
        assert answer.headers["retry-after"].isdigit()
    assert {name: answer.status_code for name, answer in after.items()} == {
        name: answer.status_code for name, answer in before.items()
    }
    assert told["done"] == 1


def relative(accepted: httpx.Response) -> str:
    """Return a job's address below the stage."""
    return "/jobs/" + accepted.headers["location"].rpartition("/jobs/")[2]


def well(http: httpx.Client, name: str) -> httpx.Response | None:
    answer = ask(http, name)
    return answer if answer.status_code < 500 else None
