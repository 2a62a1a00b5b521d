"""State changes of AWS Batch jobs, told to EventBridge in the order they happened."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any

from lambent_toolkit.sandbox.aws_calls import AwsCallFailed, AwsCalls
from lambent_toolkit.sandbox.batch_job import Job

log = logging.getLogger(__name__)


class BatchEvents:
    """Queues events and sends them one after the other; the storage matches them against the rules.

    Parameters
    ----------
    aws : AwsCalls
    """

    def __init__(self, aws: AwsCalls) -> None:
        self._aws = aws
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def publish(self, job: Job) -> None:
        """Queue the job's present state as an event."""
        self._queue.put_nowait(
            {
                "Source": "aws.batch",
                "DetailType": "Batch Job State Change",
                "Detail": json.dumps(job.describe()),
                "Resources": [job.arn],
                "Time": datetime.now(UTC).timestamp(),
            }
        )

    async def send(self) -> None:
        """Send what is queued, until cancelled."""
        while True:
            entry = await self._queue.get()
            try:
                await self._aws.call("events", "PutEvents", {"Entries": [entry]})
            except AwsCallFailed as exc:
                log.warning("a Batch event is lost: %s", exc)
