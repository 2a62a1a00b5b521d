"""Event source mapping of a queue: receive, batch, invoke, delete what succeeded, leave the rest to its visibility."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from lambent_toolkit.sandbox.aws_calls import AwsCallFailed, AwsCalls
from lambent_toolkit.sandbox.deployment import QueueMapping
from lambent_toolkit.sandbox.invocation import InvocationResult, Outcome
from lambent_toolkit.sandbox.lineage import TRACE_ATTRIBUTE, Lineage
from lambent_toolkit.sandbox.pool import FunctionPool
from lambent_toolkit.sandbox.queue_records import SHORTEN_PATH, failed_ids, lambda_record, split_by_size

LONG_POLL_S = 20
API_BATCH = 10
PAUSE_AFTER_ERROR_S = 1.0
FIRST_THROTTLE_PAUSE_S = 1.0
MAX_THROTTLE_PAUSE_S = 60.0

log = logging.getLogger(__name__)


class QueuePoller:
    """Polls one queue for one function.

    A free slot comes before a receive, so that a message never waits here while its visibility runs out.

    Parameters
    ----------
    mapping : QueueMapping
    pool : FunctionPool
    aws : AwsCalls
    retry_scale : float     part of the remaining visibility that a failed message really waits, and of the pause
                            after a throttle
    """

    def __init__(self, mapping: QueueMapping, *, pool: FunctionPool, aws: AwsCalls, retry_scale: float) -> None:
        self._mapping, self._pool, self._aws = mapping, pool, aws
        self._retry_scale = retry_scale
        self._slots = asyncio.Semaphore(min(mapping.max_concurrency or pool.limit, pool.limit))
        self._batches: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await self._slots.acquire()
                messages = await self._receive_or_pause()
                if not messages:
                    self._slots.release()
                    continue
                batch = asyncio.create_task(self._process(messages))
                self._batches.add(batch)
                batch.add_done_callback(self._on_done)
        finally:
            for batch in self._batches:
                batch.cancel()

    def _on_done(self, batch: asyncio.Task[None]) -> None:
        self._batches.discard(batch)
        self._slots.release()
        if not batch.cancelled() and (error := batch.exception()):
            log.error("queue %s: %r", self._mapping.queue_url, error)

    async def _receive_or_pause(self) -> list[dict[str, Any]]:
        try:
            return await self._receive_batch()
        except AwsCallFailed as exc:
            log.warning("%s", exc)
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            return []

    async def _receive_batch(self) -> list[dict[str, Any]]:
        messages = await self._receive(self._mapping.batch_size, LONG_POLL_S)
        deadline_s = time.monotonic() + self._mapping.window_s
        while messages and len(messages) < self._mapping.batch_size:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break
            if left_s < 1:  # the API knows whole seconds only
                await asyncio.sleep(left_s)
            messages += await self._receive(self._mapping.batch_size - len(messages), int(left_s))
        return messages

    async def _receive(self, count: int, wait_s: int) -> list[dict[str, Any]]:
        answer = await self._aws.call(
            "sqs",
            "ReceiveMessage",
            {
                "QueueUrl": self._mapping.queue_url,
                "MaxNumberOfMessages": min(count, API_BATCH),
                "WaitTimeSeconds": wait_s,
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            },
        )
        return list(answer.get("Messages", []))

    async def _process(self, messages: list[dict[str, Any]]) -> None:
        records = [lambda_record(message, self._mapping.queue_arn) for message in messages]
        hidden_until_s = time.monotonic() + self._mapping.visibility_timeout_s
        for batch in split_by_size(records):
            lineage = Lineage.of(record["attributes"].get(TRACE_ATTRIBUTE) for record in batch)
            event = json.dumps({"Records": batch}).encode()
            result = await self._invoke_unthrottled(event, lineage, hidden_until_s)
            failed = self._failed(result, batch)
            await self._delete([record for record in batch if record["messageId"] not in failed])
            await self._shorten([record for record in batch if record["messageId"] in failed])

    async def _invoke_unthrottled(self, event: bytes, lineage: Lineage, hidden_until_s: float) -> InvocationResult:
        """Invoke; a throttle is tried again, ever later, until the messages are no longer hidden in their queue."""
        pause_s = FIRST_THROTTLE_PAUSE_S
        while True:
            result = await self._pool.invoke(event, lineage)
            if result.outcome is not Outcome.THROTTLED or time.monotonic() + pause_s > hidden_until_s:
                return result
            await asyncio.sleep(pause_s * self._retry_scale)
            pause_s = min(2 * pause_s, MAX_THROTTLE_PAUSE_S)

    def _failed(self, result: InvocationResult, batch: list[dict[str, Any]]) -> set[str]:
        ids = {str(record["messageId"]) for record in batch}
        if not result.is_response:
            return ids
        return failed_ids(result.body, ids) if self._mapping.is_partial else set()

    async def _delete(self, records: list[dict[str, Any]]) -> None:
        for entries in _entries(records):
            await self._aws.call("sqs", "DeleteMessageBatch", {"QueueUrl": self._mapping.queue_url, "Entries": entries})

    async def _shorten(self, records: list[dict[str, Any]]) -> None:
        """Shorten what is left of the visibility timeout, or of the one that the function has set instead.

        A running invocation always had all of it.
        """
        if self._retry_scale >= 1 or not records:
            return
        order = {
            "queue": self._mapping.queue_url.rpartition("/")[2],
            "receipts": [record["receiptHandle"] for record in records],
            "scale": self._retry_scale,
        }
        await self._aws.post("sqs", SHORTEN_PATH, order)


def _entries(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return entries of batch calls; ids by position, since one batch may hold a message twice."""
    entries = [{"Id": str(n), "ReceiptHandle": record["receiptHandle"]} for n, record in enumerate(records)]
    return [entries[start : start + API_BATCH] for start in range(0, len(entries), API_BATCH)]
