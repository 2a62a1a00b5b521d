"""Soak of the data plane: labels that move under traffic while publishers die, and many callers at once.

    .venv/bin/python tests/soak/soak_serving.py --part labels --requests 20000 --moves 200
    .venv/bin/python tests/soak/soak_serving.py --part callers --calls 80000

Prints one line of JSON: what was sent, and what was wrong; ends with 1 if a promise broke.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from told import tell

ROOT = Path(__file__).parents[2]
INTEGRATION = ROOT / "tests" / "integration"
sys.path[:0] = [str(ROOT / "tests"), str(INTEGRATION)]

from published import publish_shade  # noqa: E402 - it lies with the tests that publish

from builders import picture  # noqa: E402 - likewise
from lambent_toolkit.demo.local import own_stack  # noqa: E402 - after those that it is imported for
from lambent_toolkit.modelkit.publishing import Publisher  # noqa: E402
from lambent_toolkit.sandbox import StackInfo  # noqa: E402

MODEL, LABEL = "switched", "live"
_CLIENTS = 8
_UNTHROTTLED = {
    "RequestsPerSecond": "10000",
    "RequestBurst": "5000",
    "StageRequestsPerSecond": "10000",
    "StageRequestBurst": "5000",
}
# Every write of a publisher, before which it is killed.
_WRITES = 5
# How long processes may go on with a label as they know it, and an answer may be under way.
_STALE_S = 5.0
_WRONG = ("failed", "mixed", "stale", "different", "torn")
_PNG = {"Content-Type": "image/png"}


@dataclass
class Found:
    """What is wrong with the answers; all zero when every promise held."""

    answers: int = 0
    failed: int = 0
    mixed: int = 0
    stale: int = 0
    different: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **counts: int) -> None:
        """Add to counts, from any thread."""
        with self.lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def told(self) -> dict[str, int]:
        """Return the counts."""
        return {name: count for name, count in vars(self).items() if name != "lock"}


@dataclass
class Label:
    """Where the label has pointed, and until when."""

    versions: list[tuple[int, float]]

    def was_at(self, version: int, since_s: float) -> bool:
        """Return whether the label pointed to a version at any moment after ``since_s``."""
        ends = [moved_s for _, moved_s in self.versions[1:]] + [float("inf")]
        return any(each == version and end_s >= since_s for (each, _), end_s in zip(self.versions, ends, strict=True))


def switch(stack: StackInfo, *, requests: int, moves: int) -> dict[str, int]:
    """Move a label between two versions under traffic, and kill publishers of further versions meanwhile.

    Returns
    -------
    counts: answers, failed (no 200), mixed (another version's labels than the one it names), stale (a version that the
    label had left five seconds before), different (always 0 here), published (versions that a killed publisher left)
    """
    for number in (1, 2):
        publish_shade(stack, name=MODEL, labels=(f"dark-{number}", f"bright-{number}"))
    publisher, found = Publisher(stack), Found()
    publisher.set_label(MODEL, LABEL, 1)
    label, is_over = Label([(1, time.monotonic())]), threading.Event()
    with ThreadPoolExecutor(_CLIENTS + 2) as pool:
        workers = [pool.submit(_ask, stack, requests // _CLIENTS, label, found) for _ in range(_CLIENTS)]
        mover = pool.submit(_move, publisher, label, moves, is_over)
        dying = pool.submit(_publish_and_die, stack, is_over)
        for worker in workers:
            worker.result()
        mover.result()
        is_over.set()
        dying.result()
    versions = [record.ref.version for record in publisher.registry.versions(MODEL)]
    return {**found.told(), "moves": len(label.versions) - 1, "torn": len(set(versions) - {1, 2})}


def _ask(stack: StackInfo, calls: int, label: Label, found: Found) -> None:
    body = picture()
    with httpx.Client(base_url=stack.url, headers={"x-api-key": stack.api_key}, timeout=60) as http:
        for _ in range(calls):
            sent_s = time.monotonic()
            answer = http.post(f"/models/{MODEL}/predict", content=body, headers=_PNG)
            if answer.status_code != httpx.codes.OK:
                found.add(answers=1, failed=1)
                continue
            told = answer.json()
            version = int(told["version"])
            of_labels = {int(number) for number in re.findall(r"(?:dark|bright)-(\d)", json.dumps(told))}
            is_stale = not label.was_at(version, sent_s - _STALE_S)
            found.add(answers=1, mixed=int(of_labels != {version}), stale=int(is_stale))


def _move(publisher: Publisher, label: Label, moves: int, is_over: threading.Event) -> None:
    for _, version in zip(range(moves), itertools.cycle((2, 1)), strict=False):
        if is_over.is_set():
            return
        publisher.set_label(MODEL, LABEL, version)
        label.versions.append((version, time.monotonic()))
        time.sleep(_STALE_S / 20)


def _publish_and_die(stack: StackInfo, is_over: threading.Event) -> None:
    state = Path(stack.logs).parent
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    for fatal in itertools.cycle(range(1, _WRITES + 1)):
        if is_over.is_set():
            return
        command = [sys.executable, str(INTEGRATION / "dying_publisher.py"), str(state), MODEL, str(fatal)]
        subprocess.run(command, env=environment, capture_output=True, check=False)


def concur(stack: StackInfo, *, calls: int) -> dict[str, int]:
    """Send the same requests from several threads at once; every answer has the bytes of the one that came alone.

    Returns
    -------
    counts: answers, failed (no 200), different
    """
    publish_shade(stack, name="concurrent", labels=("dark", "bright"))
    Publisher(stack).set_label("concurrent", LABEL, 1)
    bodies, found = [picture(level) for level in range(0, 256, 16)], Found()
    with _client(stack) as http:
        alone = [_predictions(http, body) for body in bodies]

    def ask(first: int) -> None:
        with _client(stack) as http:
            for number in range(first, calls, _CLIENTS):
                which = number % len(bodies)
                told = _predictions(http, bodies[which])
                found.add(answers=1, failed=int(told is None), different=int(told not in (None, alone[which])))

    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(ask, range(_CLIENTS)))
    return found.told()


def _client(stack: StackInfo) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers={"x-api-key": stack.api_key}, timeout=60)


def _predictions(http: httpx.Client, body: bytes) -> bytes | None:
    answer = http.post("/models/concurrent/predict", content=body, headers=_PNG)
    if answer.status_code != httpx.codes.OK:
        return None
    return json.dumps(answer.json()["predictions"]).encode()


def main() -> int:
    """Run one of both on a stack of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--calls", type=int, default=80_000)
    parser.add_argument("--seed", type=int, default=1, help="for the name only: nothing here is by chance but time")
    parser.add_argument("--told", type=Path, help="gets the line of JSON, too")
    parts: dict[str, Callable[[StackInfo], dict[str, int]]] = {
        "labels": lambda stack: switch(stack, requests=options.requests, moves=options.moves),
        "callers": lambda stack: concur(stack, calls=options.calls),
    }
    parser.add_argument("--part", choices=sorted(parts), required=True)
    options = parser.parse_args()
    with own_stack(parameters=_UNTHROTTLED) as stack:
        counts = parts[options.part](stack)
    wrong = {name: count for name, count in counts.items() if name in _WRONG}
    asked = options.requests // _CLIENTS * _CLIENTS if options.part == "labels" else options.calls
    wrong["unanswered"] = asked - counts["answers"]
    if options.part == "labels":
        wrong["unmoved"] = options.moves - counts["moves"]
    return tell(
        {"numbers": {name: count for name, count in counts.items() if name not in _WRONG}, "wrong": wrong}, options.told
    )


if __name__ == "__main__":
    sys.exit(main())
