"""The HTTP door of the product on a local stack; nothing of Lambent is imported here."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from tritonclient._plugin import InferenceServerClientPlugin
from tritonclient._request import Request
from tritonclient.http import InferenceServerClient

from patience import PATIENCE_S, wait_for

ROOT = Path(__file__).parents[2]
# Tests may be in a hurry; the plan's limits have their own tests.
UNHURRIED = (
    "RequestsPerSecond=10000",
    "RequestBurst=5000",
    "StageRequestsPerSecond=10000",
    "StageRequestBurst=5000",
    "LabelTtlSeconds=0",
)
START_S = 450  # the model is trained first, beside other tests


@dataclass(frozen=True)
class Door:
    """The HTTP door of a running stack with the digits model live.

    Parameters
    ----------
    url : str    with the stage as its path, without a slash at the end
    key : str    the stack's own API key, which may do everything
    data_bucket : str
    state : Path  the stack's state folder
    """

    url: str
    key: str
    data_bucket: str
    state: Path

    @property
    def address(self) -> str:
        """Return host:port/stage, as tritonclient wants it."""
        return self.url.removeprefix("http://")

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=PATIENCE_S)


@cache
def fuzz_seed() -> int:
    """Return the seed of made-up requests: FUZZ_SEED of the environment, or a new one, printed in pytest's header."""
    return int(os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(2**32))


class ApiKey(InferenceServerClientPlugin):
    """Sends the key with every request: tritonclient's own way to add a header."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Request) -> None:
        request.headers["x-api-key"] = self._key


@contextmanager
def triton(door: Door, *, concurrency: int = 1) -> Iterator[InferenceServerClient]:
    """Return a client of the door."""
    with InferenceServerClient(door.address, concurrency=concurrency) as client:
        client.register_plugin(ApiKey(door.key))
        yield client


@contextmanager
def running_stack(state: Path) -> Iterator[Door]:
    """Run the product with the demo model in a process of the main environment."""
    command = [ROOT / ".venv/bin/lambent", "up", "--demo", "--port", "0", "--state", state]
    command += [part for setting in UNHURRIED for part in ("--parameter", setting)]
    with (state / "up.log").open("w") as log, subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(process, state / "up.log")
            yield read_door(state)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    def is_over() -> bool:
        return "ready url=" in log.read_text() or process.poll() is not None

    wait_for(is_over, what="the local stack's start", patience_s=START_S)
    assert process.poll() is None, f"the local stack did not start:\n{log.read_text()}"


def read_door(state: Path) -> Door:
    """Return the door of the stack with this state folder."""
    stack = json.loads((state / "stack.json").read_text())
    return Door(stack["url"], stack["api_key"], stack["buckets"]["data"], state)


_PUBLISH = """
import sys
from pathlib import Path
from lambent_toolkit.modelkit.recipe_cache import publish_recipe
from lambent_toolkit.sandbox import StackInfo

publish_recipe(StackInfo.load(Path(sys.argv[1])), sys.argv[2])
"""


def publish_recipe(door: Door, name: str) -> None:
    """Publish a built-in recipe's model; trained if this machine has none yet."""
    _run(_PUBLISH, door, name)


_RECORD = """
import sys
from pathlib import Path
import msgspec
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.contracts.batch_request import BatchRequest
from lambent.runtime.clock import SystemClock
from lambent.services.submit_job import new_job
from lambent_toolkit.sandbox import StackInfo

stack = StackInfo.load(Path(sys.argv[1]))
asked = {"schema_version": 1, "id": sys.argv[2], "model": "digits", "input": {"manifest_uri": "s3://x/y"}}
job = new_job("default", msgspec.convert(asked, BatchRequest), clock=SystemClock(), retention_days=1)
DynamoJobStore(DynamoTable(stack.client("dynamodb"), stack.table)).create(job)
"""


def record_job(door: Door, job_id: str) -> None:
    """Record an accepted batch of the stack's own key, of which no message is sent: it waits, however long."""
    _run(_RECORD, door, job_id)


def _run(program: str, door: Door, word: str) -> None:
    """Run a program in the main environment, which has Lambent."""
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-c", program, door.state, word],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
