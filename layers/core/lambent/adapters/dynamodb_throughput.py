"""ThroughputStore on Amazon DynamoDB: ``MODEL#{name} / THROUGHPUT#000007#cpu``, the record as one JSON text."""

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
        with translate(_WHAT):
            row = self._table.get_item(Key=_key(ref, lane), ConsistentRead=True).get("Item")
        return msgspec.json.decode(row["observed"], type=ObservedThroughput) if row else None

    def observe(self, record: ObservedThroughput) -> bool:
        """Replace revision ``record.revision - 1``, or write the first; return whether it was still that one."""
        with translate(_WHAT):
            try:
                # An update and no put: the functions that end jobs may put nothing.
                self._table.update_item(
                    Key=_key(record.ref, record.lane),
                    UpdateExpression="SET observed = :record, revision = :revision",
                    ConditionExpression="attribute_not_exists(pk)" if record.revision == 1 else "revision = :before",
                    ExpressionAttributeValues={
                        ":record": msgspec.json.encode(record).decode(),
                        ":revision": record.revision,
                        **({} if record.revision == 1 else {":before": record.revision - 1}),
                    },
                )
            except ClientError as exc:
                if error_code(exc) == _LOST_RACE:
                    return False
                raise
        return True


def _key(ref: ModelRef, lane: str) -> dict[str, str]:
    return {"pk": f"MODEL#{ref.name}", "sk": f"THROUGHPUT#{ref.version:06d}#{lane}"}
