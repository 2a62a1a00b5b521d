"""A queue whose consumer is a process of its own for each event, as Lambda's is, and inputs that end it."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from builders import TENANT
from lambent.adapters.clients import client, table
from lambent.adapters.forked_child import Limits, run_in_child
from patience import PATIENCE_S

# For one that never ends, in the function's process and in a child; no test waits for anything else that long.
HANG_S = 1.0
KINDS = ("exception", "segfault", "division", "memory", "hang", "exit")
TOLD = {
    "exception": "ended with KeyError",
    "segfault": "died of SIGSEGV",
    "division": "died of SIGFPE",
    "memory": "ran out of memory",
    "hang": "took more than 1 s",
    "exit": "ended with status 0",
}


def strike(kind: str) -> None:
    """Do to this process what an input of this kind does."""
    if kind == "exception":
        raise KeyError("poison")
    if kind == "exit":
        os._exit(0)
    if kind == "hang":
        Event().wait()
    if kind == "memory":
        if resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY:
            np.ones(1 << 40, dtype=np.uint8)
        os.kill(os.getpid(), signal.SIGKILL)  # nothing else bounds it: the system does
    os.kill(os.getpid(), signal.SIGSEGV if kind == "segfault" else signal.SIGFPE)


@dataclass
class Waiting:
    """A message in the queue, and how often it was received."""

    name: str
    body: str
    tenant: str = TENANT
    receives: int = 0


@dataclass
class PoisonQueue:
    """Gives out messages in events of ``batch`` each until there are none; what is left over is moved without a word.

    Parameters
    ----------
    function       the module with the handler
    wire           called in each process before the first event: makes its services
    max_receives
    batch          the template's is 1; more shows what a crash does to neighbours
    """

    function: ModuleType
    wire: Callable[[], None]
    max_receives: int
    batch: int
    waiting: list[Waiting] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    ends: list[str | None] = field(default_factory=list)

    @property
    def deaths(self) -> int:
        """How often the function's process ended; how is in ``ends``, None where its timeout did it."""
        return len(self.ends)

    def drain(self) -> None:
        """Deliver until nothing waits."""
        while self.waiting:
            event, self.waiting = self.waiting[: self.batch], self.waiting[self.batch :]
            self._deliver(event)

    def _deliver(self, event: list[Waiting]) -> None:
        for message in event:
            message.receives += 1
        told = run_in_child(lambda: self._handle(event), Limits(PATIENCE_S, None))
        if told.body is None:
            self.ends.append(told.end)
        failed = set(range(len(event))) if told.body is None else set(map(int, json.loads(told.body)))
        for position in sorted(failed):
            is_over = event[position].receives >= self.max_receives
            self.moved += [event[position].name] if is_over else []
            self.waiting += [] if is_over else [event[position]]

    def _handle(self, event: list[Waiting]) -> bytes:
        faulthandler.disable()
        client.cache_clear()
        table.cache_clear()
        self.wire()
        answer = self.function.handler({"Records": [_record(*each) for each in enumerate(event)]}, CONTEXT)
        return json.dumps([each["itemIdentifier"] for each in answer["batchItemFailures"]]).encode()


CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="r",
    get_remaining_time_in_millis=lambda: 120_000,
)  # fmt: skip


def _record(position: int, message: Waiting) -> dict[str, Any]:
    return {
        "messageId": str(position),
        "receiptHandle": message.name,
        "body": message.body,
        "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": str(message.receives)},
        "messageAttributes": {"tenant": {"stringValue": message.tenant, "dataType": "String"}},
    }


@dataclass(frozen=True)
class Executions:
    """Which items were worked on, told by all processes."""

    file: Path

    def note(self, item: str) -> None:
        """Note that work on an item begins."""
        with self.file.open("ab", buffering=0) as file:
            file.write(f"{item}\n".encode())

    def of(self, item: str) -> int:
        """Return how often work on an item began."""
        return self.file.read_text().split().count(item)
