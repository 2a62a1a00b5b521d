"""The poller of a queue, with its queue and function played."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lambent_toolkit.sandbox.deployment import QueueMapping
from lambent_toolkit.sandbox.invocation import InvocationResult, Outcome, throttle_error
from lambent_toolkit.sandbox.poller import QueuePoller


class PlayedQueue:
    """One message, and what was done to it."""

    def __init__(self) -> None:
        self.waiting = [{"MessageId": "m", "ReceiptHandle": "r", "Body": "{}", "MD5OfBody": "x", "Attributes": {}}]
        self.calls: list[str] = []
        self.is_done = asyncio.Event()

    async def call(self, _service: str, name: str, _payload: dict[str, Any]) -> dict[str, Any]:
        if name == "ReceiveMessage":
            if not self.waiting:
                self.is_done.set()
                await asyncio.Event().wait()
            return {"Messages": [self.waiting.pop()]}
        self.calls.append(name)
        return {}

    async def post(self, _service: str, path: str, _order: dict[str, Any]) -> None:
        self.calls.append(path)


class PlayedPool:
    """A function that is throttled some times first."""

    limit = 1

    def __init__(self, throttles: int) -> None:
        self.throttles = throttles

    async def invoke(self, _event: bytes, _lineage: object) -> InvocationResult:
        self.throttles -= 1
        is_throttled = self.throttles >= 0
        return InvocationResult(Outcome.THROTTLED if is_throttled else Outcome.RESPONSE, throttle_error())


def play(*, throttles: int, visibility_timeout_s: int) -> tuple[PlayedQueue, PlayedPool]:
    async def run() -> tuple[PlayedQueue, PlayedPool]:
        queue, pool = PlayedQueue(), PlayedPool(throttles)
        mapping = QueueMapping("f", "http://q", "arn:aws:sqs:x:1:q", visibility_timeout_s, 1, 0.0, 1, is_partial=False)
        poller = QueuePoller(mapping, pool=pool, aws=queue, retry_scale=1e-9)
        polling = asyncio.create_task(poller.run())
        await queue.is_done.wait()
        polling.cancel()
        return queue, pool

    return asyncio.run(run())


@pytest.mark.parametrize("throttles", [0, 1, 4])
def test_a_throttled_message_is_tried_again_and_then_done(throttles: int) -> None:
    queue, _ = play(throttles=throttles, visibility_timeout_s=3600)

    assert queue.calls == ["DeleteMessageBatch"]


def test_a_message_that_is_throttled_longer_than_it_is_hidden_goes_back_to_its_queue() -> None:
    queue, pool = play(throttles=1000, visibility_timeout_s=30)

    assert "DeleteMessageBatch" not in queue.calls
    assert 0 < pool.throttles < 1000
