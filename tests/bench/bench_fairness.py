"""What a tenant waits alone, and while another one floods: HTTP, uploads, calls for later and batches; p50 and p95.

The flood lies in the queues when the quiet tenant begins; that of HTTP, as fast as it is answered or refused, goes on
beside it. Both share this machine's processors and the one process of its storage, as no two tenants do on AWS. So the
quiet tenant is measured a third time, beside processes that only compute, as many as a function has environments: what
is slower beside the flood than beside these is for want of fairness, the rest for want of processors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
from harness import ROOT, demo_stack

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.sandbox.options import StackOptions
from lambent_toolkit.sandbox.stack_info import StackInfo
from lambent_toolkit.tenants.directory import Tenants

QUIET, NOISY = "quiet", "noisy"
COUNTS = {"HTTP": 60, "uploads": 20, "calls for later": 20, "batches": 5}
FLOOD = {"uploads": 700, "calls for later": 300, "batches": 20}
SENDERS = 4
ENVIRONMENTS = StackOptions.max_environments
WARM_UP_S = 3.0  # until the flood has as many environments as it gets
PICTURE = (ROOT / "events/bodies/seven.png").read_bytes()
PNG = {"Content-Type": "image/png"}
LIMIT_S = 300


class Door:
    """One tenant's way to the stack."""

    def __init__(self, stack: StackInfo, tenant: str) -> None:
        tenants = Tenants(stack, by="bench")
        tenants.add(tenant)
        _, key = tenants.create_key(tenant)
        self.tenant, self.key, self._stack, self._s3 = tenant, key, stack, stack.client("s3")
        self._http = httpx.Client(base_url=stack.url, headers={"x-api-key": key}, timeout=60)
        self._manifest: str | None = None

    def predict(self, later: bool = False) -> httpx.Response:
        """Ask for one prediction; a throttled one is asked for again after the time that it is told."""
        while True:
            extra = {"Prefer": "respond-async"} if later else {}
            answer = self._http.post("/models/digits/predict", content=PICTURE, headers=PNG | extra)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return answer.raise_for_status()
            sleep(float(answer.headers["retry-after"]))

    def call(self) -> None:
        """Make one call for later."""
        self.predict(later=True)

    def answered_call(self) -> None:
        """Make one call for later and wait for its answer."""
        job_id = self.predict(later=True).json()["id"]
        wait(lambda: self._http.get(f"/jobs/{job_id}/result").status_code == httpx.codes.OK)

    def put(self) -> str:
        """Upload one picture; return the key of its result."""
        key = f"{self.tenant}/digits/{uuid4().hex}.png"
        self._s3.put_object(Bucket=self._stack.buckets["data"], Key=f"inbox/{key}", Body=PICTURE)
        return f"results/{key}.json"

    def answered_upload(self) -> None:
        """Upload one picture and wait for its result."""
        result = self.put()
        wait(lambda: self._is_there(result))

    def submit(self, items: int = 500) -> str:
        """Submit a batch on the CPU lane; return its id."""
        if self._manifest is None:
            prefix = f"inputs/{self.tenant}/bench"
            self._s3.put_object(Bucket=self._stack.buckets["data"], Key=f"{prefix}/seven.png", Body=PICTURE)
            uri = f"s3://{self._stack.buckets['data']}/{prefix}"
            lines = (json.dumps({"id": str(n), "uri": f"{uri}/seven.png"}) + "\n" for n in range(items))
            self._s3.put_object(
                Bucket=self._stack.buckets["data"], Key=f"{prefix}/items.jsonl", Body="".join(lines).encode()
            )
            self._manifest = f"{uri}/items.jsonl"
        source = {"manifest_uri": self._manifest}
        job = {
            "schema_version": 1,
            "id": uuid4().hex,
            "model": "digits",
            "label": "live",
            "lane": "cpu",
            "input": source,
        }
        return str(self._http.post("/jobs", json=job).raise_for_status().json()["id"])

    def answered_batch(self) -> None:
        """Submit a batch of 20 items and wait for its end."""
        job_id = self.submit(20)
        wait(lambda: self._http.get(f"/jobs/{job_id}").json()["state"] == "SUCCEEDED")

    def _is_there(self, key: str) -> bool:
        listed = self._s3.list_objects_v2(Bucket=self._stack.buckets["data"], Prefix=key)
        return int(listed["KeyCount"]) > 0


def wait(is_done: Callable[[], bool]) -> None:
    """Ask until it is done; stops the benchmark after five minutes."""
    end_s = monotonic() + LIMIT_S
    while not is_done():
        if monotonic() > end_s:
            raise SystemExit("nothing came within five minutes")
        sleep(0.02)


@contextmanager
def computing(count: int) -> Iterator[None]:
    """Keep so many processes busy with nothing of the stack's."""
    processes = [get_context("spawn").Process(target=compute, daemon=True) for _ in range(count)]
    for each in processes:
        each.start()
    sleep(WARM_UP_S)
    try:
        yield
    finally:
        for each in processes:
            each.terminate()
            each.join()


def compute() -> None:
    """Compute until this process is ended."""
    while True:
        sum(range(100_000))


def times_s(act: Callable[[], Any], count: int) -> list[float]:
    """Return how long each of so many took, one after the other."""
    taken = []
    for _ in range(count):
        start_s = monotonic()
        act()
        taken.append(monotonic() - start_s)
    return taken


@contextmanager
def flooded(stack: StackInfo, noisy: Door, kind: str, scale: float) -> Iterator[None]:
    """Flood by one tenant, and afterwards wait until all of it is done."""
    if kind == "HTTP":
        # In a process of its own, or the quiet tenant's clock would wait for the noisy one's threads.
        sender = get_context("spawn").Process(target=call_on, args=(stack.url, noisy.key), daemon=True)
        sender.start()
        sleep(WARM_UP_S)
        yield
        sender.terminate()
        sender.join()
        return
    act: Callable[[], Any] = {"uploads": noisy.put, "calls for later": noisy.call, "batches": noisy.submit}[kind]
    with ThreadPoolExecutor(SENDERS) as pool:
        for done in [pool.submit(act) for _ in range(max(1, round(FLOOD[kind] * scale)))]:
            done.result()
    yield
    wait(lambda: not any(depth(stack, queue) for queue in ("upload", "preprocess", "infer", "batch")))


def call_on(url: str, key: str) -> None:
    """Call without a pause, refused or not, until this process is ended."""
    with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60) as client, ThreadPoolExecutor() as pool:

        def go_on() -> None:
            while True:
                client.post("/models/digits/predict", content=PICTURE, headers=PNG)

        for sender in [pool.submit(go_on) for _ in range(SENDERS)]:
            sender.result()


def depth(stack: StackInfo, queue: str) -> int:
    """Return how many messages a queue has, hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = stack.client("sqs").get_queue_attributes(QueueUrl=stack.queues[queue], AttributeNames=names)["Attributes"]
    return sum(map(int, told.values()))


def main(scale: float) -> None:
    """Measure each kind of work idle and flooded, and print the table."""
    titles = ("work", "n", "idle p50", "p95", "computing p50", "p95", "flood p50", "p95", "/ idle", "/ computing")
    table = plain_table(*titles, right=tuple(range(1, len(titles))))
    with demo_stack(is_throttled=True) as stack:
        quiet, noisy = Door(stack, QUIET), Door(stack, NOISY)
        wait(lambda: quiet.predict().is_success)
        acts: dict[str, Callable[[], Any]] = {
            "HTTP": quiet.predict,
            "uploads": quiet.answered_upload,
            "calls for later": quiet.answered_call,
            "batches": quiet.answered_batch,
        }
        for kind, act in acts.items():
            count = max(2, round(COUNTS[kind] * scale))
            times_s(act, 2)
            idle = times_s(act, count)
            with computing(ENVIRONMENTS):
                beside = times_s(act, count)
            with flooded(stack, noisy, kind, scale):
                busy = times_s(act, count)
            told = [float(np.percentile(each, part)) for each in (idle, beside, busy) for part in (50, 95)]
            ratios = (f"{told[5] / told[at]:.1f}" for at in (1, 3))
            table.add_row(kind, str(count), *(f"{each * 1000:.0f} ms" for each in told), *ratios)
    screen().print(table)


if __name__ == "__main__":
    main(0.1 if "--quick" in sys.argv else 1.0)
