"""Fires scheduled rules."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from lambent_toolkit.sandbox.async_invoke import AsyncInvoker
from lambent_toolkit.sandbox.deployment import ScheduleRule
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.schedule import parse_schedule


async def fire_on_schedule(rule: ScheduleRule, invoker: AsyncInvoker) -> None:
    """Invoke the rule's function at each of its times, until cancelled."""
    schedule = parse_schedule(rule.expression)
    due = schedule.after(datetime.now(UTC))
    while due is not None:
        await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        event = json.loads(rule.input) if rule.input else scheduled_event(rule.name, due)
        invoker.deliver({"rule": rule.name, "target": {"Arn": rule.target_arn}, "event": event})
        due = schedule.after(due)


def scheduled_event(rule_name: str, due: datetime) -> dict[str, Any]:
    """Build the event that EventBridge sends for a schedule."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule_name}"],
        "detail": {},
    }
