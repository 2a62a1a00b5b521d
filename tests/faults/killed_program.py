"""Run shards and submissions in forked processes that die where they are told to; a line of JSON in, one out.

In: {"do": "shard", "job": …, "shard": …, "die": …} or {"do": "submit", "request": …, "key": …, "die": …}; "container"
and "invocation" instead of "shard" with "attempt", "kind" and "where", see `careful_shards.py` and `poison.py`.
``die`` is null, {"event": "after_checkpoint", "nth": 2}, {"item": 57, "by": "SIGKILL" | "SIGSEGV" | "exit"},
{"after_s": 0.01}, or {"call": 3, "when": "before" | "after"} for the n-th call of a port. Out: {"status": exit status,
"acked": whether the submission returned}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from stored_world import open_world

from builders import TENANT, World
from lambent.contracts.batch_request import BatchSubmission
from lambent.services.run_shard import ShardService
from lambent.services.shard_attempt import CheckpointRule

CHECKPOINT_ITEMS = 40
BATCH_SIZE = 8


def die(by: str = "SIGKILL") -> None:
    """End as a process does that is killed (its host lost, its memory exhausted), that crashes, or that gives up."""
    if by == "container":
        os.kill(os.getppid(), signal.SIGKILL)  # with which this one ends, too
        threading.Event().wait()
    if by == "exit":
        os._exit(1)
    os.kill(os.getpid(), signal.Signals[by])
    threading.Event().wait()  # another thread may be given the signal: this one must not get on meanwhile


class DyingPort:
    """A port whose process dies before or after the n-th call of all the ports that share ``left``."""

    def __init__(self, port: Any, left: list[int], when: str) -> None:
        self._port, self._left, self._when = port, left, when

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            self._left[0] -= 1
            if self._left[0] == 0 and self._when == "before":
                die()
            result = method(*args, **kwargs)
            if self._left[0] == 0:
                die()
            return result

        return call


class CountingLoader:
    """Notes every picture that an interpreter is given, and dies within the batch of a given one."""

    def __init__(self, loader: Any, log: str, ends: dict[str, Any]) -> None:
        self._loader, self._log, self.file = loader, log, loader.file
        self._fatal, self._by = ends.get("item"), ends.get("by", "SIGKILL")
        self._is_armed = False

    def load(self, *args: Any) -> Any:
        interpreter = self._loader.load(*args)
        run, seen = interpreter.run, 0

        def counted(inputs: Any) -> Any:
            nonlocal seen
            rows = len(next(iter(inputs.values())))
            if self._is_armed:
                seen += rows
                with Path(self._log).open("ab", buffering=0) as file:
                    file.write(f"{rows}\n".encode())
                if self._fatal is not None and seen > self._fatal:
                    die(self._by)
            return run(inputs)

        interpreter.run = counted
        return interpreter

    def arm(self) -> None:
        """Count from here: what golden vectors cost is not work on items."""
        self._is_armed = True


def run_shard(world: World, task: dict[str, Any]) -> None:
    """Run one shard, dying where it is told to."""
    ends = task["die"] or {}
    loader = CountingLoader(world.loader, task["log"], ends)
    world.loader = loader  # type: ignore[assignment]
    left = ends.get("nth", 0)

    def on_event(name: str) -> None:
        nonlocal left
        if name == ends.get("event"):
            left -= 1
            if left == 0:
                die()

    service = ShardService(
        data=world.data,
        jobs=world.jobs,
        models=ArmingModels(world.models(), loader),  # type: ignore[arg-type]
        clock=world.clock,
        batch_size=BATCH_SIZE,
        rule=CheckpointRule(items=CHECKPOINT_ITEMS),
        on_event=on_event,
    )
    service.run(TENANT, task["job"], task["shard"])


class ArmingModels:
    """A cache whose interpreters are counted once they are loaded and verified."""

    def __init__(self, models: Any, loader: CountingLoader) -> None:
        self._models, self._loader = models, loader

    def get(self, ref: Any) -> Any:
        model = self._models.get(ref)
        self._loader.arm()
        return model


def submit(world: World, task: dict[str, Any]) -> None:
    """Submit a batch, dying at a call of a port."""
    ends = task["die"]
    if ends is not None:
        left = [ends["call"]]
        for name in ("data", "jobs", "batch_queue"):
            setattr(world, name, DyingPort(getattr(world, name), left, ends["when"]))
    submission = msgspec.json.decode(task["request"], type=BatchSubmission)
    world.submitter.submit(TENANT, submission, idempotency_key=task["key"])


def main() -> None:
    """Fork once a line."""
    from careful_shards import run_container, run_invocation  # which import this module

    careful: dict[str, Callable[[dict[str, Any]], int]] = {"container": run_container, "invocation": run_invocation}
    for line in sys.stdin:
        task = json.loads(line)
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receiving)
            try:
                if task["do"] in careful:
                    os._exit(careful[task["do"]](task))
                (run_shard if task["do"] == "shard" else submit)(open_world(), task)
                os.write(sending, b"acked")
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
                traceback.print_exception(error)
                os._exit(1)
            os._exit(0)
        os.close(sending)
        timer = None
        if (after_s := (task["die"] or {}).get("after_s")) is not None:
            timer = threading.Timer(after_s, os.kill, [child, signal.SIGKILL])
            timer.start()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if timer is not None:
            timer.cancel()
        acked = os.read(receiving, 16) == b"acked"
        os.close(receiving)
        print(json.dumps({"status": status, "acked": acked}), flush=True)


if __name__ == "__main__":
    main()
