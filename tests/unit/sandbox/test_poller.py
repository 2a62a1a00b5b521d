"""When a queue's message is handled, and how long one that failed is hidden: told by steps and by a still clock."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from moto.sqs import models as sqs

from lambent_toolkit.sandbox import storage_queues
from lambent_toolkit.sandbox.deployment import QueueMapping
from lambent_toolkit.sandbox.environment import EnvironmentHost
from lambent_toolkit.sandbox.function_log import FunctionLog
from lambent_toolkit.sandbox.function_spec import FunctionSpec, RuntimePaths
from lambent_toolkit.sandbox.invocation import InvocationResult, Outcome
from lambent_toolkit.sandbox.lineage import NEW_EVENT, Lineage
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.poller import LONG_POLL_S, QueuePoller
from lambent_toolkit.sandbox.pool import FunctionPool

NOW_MS = 1_800_000_000_000
MESSAGE = {
    "MessageId": "m1", "ReceiptHandle": "r1", "Body": "{}", "MD5OfBody": "0" * 32, "Attributes": {},
}  # fmt: skip
MAPPING = QueueMapping(
    "f", "http://nowhere/123456789012/q", "arn:aws:sqs:us-east-1:123456789012:q", 30, 10, 0.0, 1, is_partial=True
)


class ToldCalls:
    """An endpoint with one message, which notes what it is asked."""

    def __init__(self, steps: list[Any]) -> None:
        self._steps = steps
        self._messages = [MESSAGE]
        self.is_empty = asyncio.Event()

    async def call(self, _service: str, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        self._steps.append((operation, payload.get("WaitTimeSeconds")))
        if operation == "ReceiveMessage" and not self._messages:
            self.is_empty.set()
            await asyncio.Event().wait()
        return {"Messages": [self._messages.pop()]} if operation == "ReceiveMessage" else {}


class ToldPool(FunctionPool):
    """A function that does all it is given."""

    def __init__(self, steps: list[Any], folder: Path) -> None:
        spec = FunctionSpec("F", "f", "app.handler", folder, (), 3, 128, {})
        host = EnvironmentHost(RuntimePaths(folder, folder), "http://nowhere", 1.0)
        super().__init__(spec, host=host, log=FunctionLog(folder / "f.log"), max_environments=1, idle_s=60.0)
        self._steps = steps
        self.is_done = asyncio.Event()

    async def invoke(self, event: bytes, _lineage: Lineage = NEW_EVENT) -> InvocationResult:
        self._steps.append(("invoke", len(json.loads(event)["Records"])))
        return InvocationResult(Outcome.RESPONSE, b'{"batchItemFailures": []}')


def test_a_message_is_handled_by_the_receive_that_waits_for_it_with_no_pause_between(tmp_path: Path) -> None:
    steps: list[Any] = []

    async def run() -> None:
        pool, calls = ToldPool(steps, tmp_path), ToldCalls(steps)
        polling = asyncio.create_task(QueuePoller(MAPPING, pool=pool, aws=calls, retry_scale=1.0).run())
        await calls.is_empty.wait()
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        pool.log.close()

    asyncio.run(run())

    receive = ("ReceiveMessage", LONG_POLL_S)
    assert steps == [receive, ("invoke", 1), ("DeleteMessageBatch", None), receive]


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    """Return the storage's queues, and the receipt of a message that is hidden, at a time that stands still."""
    for module in (sqs, storage_queues):
        monkeypatch.setattr(module, "unix_time_millis", lambda *_: NOW_MS)
    with mock_aws():
        backend = sqs.sqs_backends[ACCOUNT_ID][REGION]
        backend.create_queue("q", {})
        backend.send_message("q", "{}")
        (message,) = backend.receive_message("q", 1, 0, 30)
        yield backend, message.receipt_handle


@pytest.mark.parametrize(("set_s", "waited_s"), [(None, 1), (90, 2), (240, 4)])
def test_the_visibility_that_a_function_sets_is_shortened_as_its_queue_s_own_is(
    hidden: tuple[Any, str], set_s: int | None, waited_s: int
) -> None:
    backend, receipt = hidden
    if set_s is not None:
        backend.change_message_visibility("q", receipt, set_s)

    storage_queues.shorten_waits({"queue": "q", "receipts": [receipt], "scale": 1 / 60})

    (message,) = backend.get_queue("q")._messages
    assert message.visible_at == NOW_MS + waited_s * 1000
