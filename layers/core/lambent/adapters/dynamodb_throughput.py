"""ThroughputStore on Amazon DynamoDB: ``THROUGHPUT#{name} / 000007#cpu``, the record as one JSON text.

A partition of its own: the functions that end jobs write here, and may write nothing of the registry. Releases before
wrote ``MODEL#{name} / THROUGHPUT#000007#cpu``, which is read where there is no newer row and is never written.
"""

from __future__ import annotations

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.domain.model import ModelRef
from lambent.domain.throughput import ObservedThroughput

_WHAT = "throughput records"
_LOST_RACE = "ConditionalCheckFailedException"


class DynamoThroughputStore:
    """The throughput rows of the table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def observed(self, ref: ModelRef, lane: str) -> ObservedThroughput | None:
        """Return what finished jobs of a version have shown on a lane, None before the first."""
        return self._read(_key(ref, lane)) or self._read(_earlier_key(ref, lane))

    def observe(self, record: ObservedThroughput) -> bool:
        """Replace revision ``record.revision - 1``, or write the first; return whether it was still that one."""
        before = record.revision - 1
        if before == 0:
            return self._write(record, "attribute_not_exists(pk)", {})
        if self._write(record, "revision = :before", {":before": before}):
            return True
        earlier = self._read(_earlier_key(record.ref, record.lane))
        is_next = earlier is not None and earlier.revision == before
        return is_next and self._write(record, "attribute_not_exists(pk)", {})

    def _read(self, key: dict[str, str]) -> ObservedThroughput | None:
        with translate(_WHAT):
            row = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
        return msgspec.json.decode(row["observed"], type=ObservedThroughput) if row else None

    def _write(self, record: ObservedThroughput, condition: str, operands: dict[str, int]) -> bool:
        """Write on a condition; return whether it held."""
        text = msgspec.json.encode(record).decode()
        with translate(_WHAT):
            try:
                # An update and no put: the functions that end jobs may put nothing.
                self._table.update_item(
                    Key=_key(record.ref, record.lane),
                    UpdateExpression="SET observed = :record, revision = :revision",
                    ConditionExpression=condition,
                    ExpressionAttributeValues={":record": text, ":revision": record.revision, **operands},
                )
            except ClientError as exc:
                if error_code(exc) == _LOST_RACE:
                    return False
                raise
        return True


def _key(ref: ModelRef, lane: str) -> dict[str, str]:
    return {"pk": f"THROUGHPUT#{ref.name}", "sk": f"{ref.version:06d}#{lane}"}


def _earlier_key(ref: ModelRef, lane: str) -> dict[str, str]:
    return {"pk": f"MODEL#{ref.name}", "sk": f"THROUGHPUT#{ref.version:06d}#{lane}"}
