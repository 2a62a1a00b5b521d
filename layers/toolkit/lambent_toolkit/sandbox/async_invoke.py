"""Asynchronous invocations: events of rules, schedules and `InvocationType=Event`, with retries and a last resort."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from lambent_toolkit.sandbox.aws_calls import AwsCallFailed, AwsCalls
from lambent_toolkit.sandbox.function_spec import FunctionSpec
from lambent_toolkit.sandbox.invocation import InvocationResult, Outcome
from lambent_toolkit.sandbox.lineage import NEW_EVENT, Lineage
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.pool import FunctionPool

# Lambda waits a minute before the second try and two before the third.
RETRY_PAUSES_S = (60.0, 120.0)
THROTTLE_PAUSE_S = 1.0
MAX_THROTTLE_PAUSE_S = 300.0
MAX_AGE_S = 6 * 3600.0

log = logging.getLogger(__name__)


class AsyncInvoker:
    """Runs functions for events that nobody waits for.

    Parameters
    ----------
    pools : Mapping         function name -> pool
    aws : AwsCalls
    callers : Mapping       function name -> AwsCalls by its role, which sends events that failed for good
    retry_scale : float     part of AWS's pauses that is really waited
    """

    def __init__(
        self, pools: Mapping[str, FunctionPool], *, aws: AwsCalls, callers: Mapping[str, AwsCalls], retry_scale: float
    ) -> None:
        self._pools, self._aws, self._callers, self._scale = pools, aws, callers, retry_scale
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, function_name: str, event: bytes, lineage: Lineage = NEW_EVENT) -> None:
        """Queue one event; returns at once.

        Raises
        ------
        KeyError   there is no such function
        """
        pool = self._pools[function_name]
        task = asyncio.create_task(self._run(pool, event, lineage))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def deliver(self, delivery: dict[str, Any]) -> None:
        """Queue an event that a rule matched; without its function it goes to the rule's dead-letter queue."""
        target, event = delivery["target"], json.dumps(delivery["event"]).encode()
        function_name = target["Arn"].partition(":function:")[2].partition(":")[0]
        if function_name in self._pools:
            self.submit(function_name, event)
        elif arn := target.get("DeadLetterConfig", {}).get("Arn"):
            attributes = {"RULE_ARN": delivery["rule"], "TARGET_ARN": target["Arn"], "ERROR_CODE": "RESOURCE_NOT_FOUND"}
            service = self._aws.acting_for("events.amazonaws.com", source_arn=delivery["rule"])
            task = asyncio.create_task(_send(service, arn, event.decode(), attributes))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Forget what is queued."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, pool: FunctionPool, event: bytes, lineage: Lineage) -> None:
        for pause_s in (*RETRY_PAUSES_S[: pool.spec.async_retries], None):
            result = await self._invoke_unthrottled(pool, event, lineage)
            if result.is_response:
                return
            if result.outcome is Outcome.RECURSIVE:
                break
            if pause_s is not None:
                await asyncio.sleep(pause_s * self._scale)
        await self._give_up(pool.spec, event, result)

    async def _invoke_unthrottled(self, pool: FunctionPool, event: bytes, lineage: Lineage) -> InvocationResult:
        """Invoke; a throttle does not count as a try."""
        pause_s, waited_s = THROTTLE_PAUSE_S, 0.0
        while True:
            result = await pool.invoke(event, lineage)
            if result.outcome is not Outcome.THROTTLED or waited_s > MAX_AGE_S:
                return result
            await asyncio.sleep(pause_s * self._scale)
            waited_s += pause_s
            pause_s = min(2 * pause_s, MAX_THROTTLE_PAUSE_S)

    async def _give_up(self, spec: FunctionSpec, event: bytes, result: InvocationResult) -> None:
        log.warning("%s failed on an event for good: %s", spec.short_name, result.body.decode(errors="replace"))
        if spec.on_failure is None:
            return
        caller = self._callers[spec.name]
        if spec.is_destination:
            await _send(caller, spec.on_failure, json.dumps(_destination_record(spec, event, result)), {})
            return
        message = json.loads(result.body).get("errorMessage", "")[:1024]
        attributes = {"RequestID": result.request_id or "none", "ErrorCode": "200", "ErrorMessage": message or "none"}
        await _send(caller, spec.on_failure, event.decode(), attributes)


async def _send(caller: AwsCalls, queue_arn: str, body: str, attributes: dict[str, str]) -> None:
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/{queue_arn.rpartition(':')[2]}"
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    payload = {"QueueUrl": url, "MessageBody": body, "MessageAttributes": typed}
    try:
        await caller.call("sqs", "SendMessage", payload)
    except AwsCallFailed as exc:
        log.warning("an event is lost: %s", exc)


def _destination_record(spec: FunctionSpec, event: bytes, result: InvocationResult) -> dict[str, Any]:
    return {
        "version": "1.0",
        "requestContext": {
            "requestId": result.request_id,
            "functionArn": f"{spec.arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": spec.async_retries + 1,
        },
        "requestPayload": json.loads(event),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": json.loads(result.body),
    }
