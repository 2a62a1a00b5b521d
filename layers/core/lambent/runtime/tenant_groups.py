"""A batch of the upload queue without what goes back to the queue first, into its tenant's group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambent.errors import Unavailable
from lambent.runtime.foreign_events import check_messages
from lambent.runtime.observability import logger
from lambent.services.sort_uploads import SORTED_ATTRIBUTE, SortUploadsService


def without_sorted(event: dict[str, Any], service: Callable[[], SortUploadsService]) -> dict[str, Any]:
    """Return an event without those of its messages that went back to their queue, each into its tenant's group.

    Where the queue does not take them, or does not tell its depth, they stay: late is better than not at all.

    Raises
    ------
    EventUnknown   the event has no messages of SQS, or something else beside them
    """
    check_messages(event)
    unsorted = {each["messageId"]: each["body"] for each in event["Records"] if not _stays(each)}
    if not unsorted:
        return event
    try:
        sent = service().sort(unsorted)
    except Unavailable as error:
        logger.warning("uploads not sorted", code=error.code, detail=error.detail)
        return event
    return {**event, "Records": [each for each in event["Records"] if each["messageId"] not in sent]}


def _stays(record: dict[str, Any]) -> bool:
    """Return whether a message is sorted already, or was received before, which a new message would forget."""
    received = int(record["attributes"].get("ApproximateReceiveCount") or 1)
    return received > 1 or SORTED_ATTRIBUTE in (record.get("messageAttributes") or {})
