"""What AWS Batch tells by EventBridge: https://docs.aws.amazon.com/batch/latest/userguide/batch_cwe_events.html."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lambent.contracts.event_kinds import kind_of
from lambent.contracts.schema_errors import schema_error
from lambent.errors import EventUnknown

BLOCKED = "Batch Job Queue Blocked"
_SOURCE = "aws.batch"


class BatchChange(msgspec.Struct, frozen=True, rename="camel"):
    """What an event tells of a job; an array's child has an index, and the id ``{parent}:{index}``."""

    job_id: str
    status: Literal["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]
    status_reason: str | None = None
    parameters: dict[str, str] | None = None
    array_properties: dict[str, Any] | None = None


class BatchEvent(msgspec.Struct, frozen=True, rename={"kind": "detail-type"}):
    """One event."""

    kind: Literal["Batch Job State Change", "Batch Job Queue Blocked"]
    time: str
    detail: BatchChange


def read_batch_event(event: Any) -> BatchEvent:
    """Return an event of AWS Batch; raises EventUnknown for what is none, or none of a kind that is followed."""
    if not isinstance(event, dict) or event.get("source") != _SOURCE:
        raise EventUnknown(f"This function takes AWS Batch's events; it got {kind_of(event)}.", got=kind_of(event))
    try:
        return msgspec.convert(event, BatchEvent)
    except msgspec.ValidationError as exc:
        found = schema_error(exc, BatchEvent, what="event of AWS Batch")
        raise EventUnknown(found.detail, field=found.field, limit=found.limit, got=found.got) from exc
