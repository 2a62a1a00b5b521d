"""SQS messages as Lambda sees them, and which of them a function's answer calls failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lambent_toolkit.sandbox.options import REGION

MAX_EVENT_BYTES = 6 * 1024 * 1024
# Where the storage process takes orders to shorten the time for which messages are hidden.
SHORTEN_PATH = "/_lambent/shorten-waits"


def lambda_record(message: dict[str, Any], queue_arn: str) -> dict[str, Any]:
    """Turn a received message into a record of the event."""
    attributes = message.get("MessageAttributes", {})
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    renamed = {key[0].lower() + key[1:]: each for key, each in value.items()}
    return {"stringListValues": [], "binaryListValues": [], **renamed}


def split_by_size(records: list[dict[str, Any]], limit: int = MAX_EVENT_BYTES) -> Iterator[list[dict[str, Any]]]:
    """Cut a batch into events that Lambda takes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for record in records:
        record_size = len(json.dumps(record))
        if batch and size + record_size > limit:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record_size
    if batch:
        yield batch


def failed_ids(answer: bytes, message_ids: set[str]) -> set[str]:
    """Return the message ids that a ReportBatchItemFailures answer calls failed.

    As on AWS, an answer that cannot be understood, or that names an unknown message, fails the whole batch.
    """
    try:
        response = json.loads(answer) if answer else None
    except ValueError:
        return message_ids
    if response is None:
        return set()
    if not isinstance(response, dict):
        return message_ids
    failures = response.get("batchItemFailures") or []
    if not isinstance(failures, list) or not all(isinstance(each, dict) for each in failures):
        return message_ids
    ids = {each.get("itemIdentifier") for each in failures}
    return {str(each) for each in ids} if ids <= message_ids else message_ids
