"""The trail of changes on Amazon DynamoDB: ``TRAIL / LINE#0000000001`` and the one row ``TRAIL / HEAD``.

A change, its line and the head are one transaction: what could not be recorded does not happen, and what did not happen
is not recorded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import random
from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code
from lambent.domain.audit_trail import Entry, Head, StoredLine, line_fields, place_of, read_line
from lambent.errors import Misconfigured

Write = tuple[str, dict[str, Any]]
_PARTITION = "TRAIL"
_HEAD_KEY = {"pk": _PARTITION, "sk": "HEAD"}
_CANCELLED = "TransactionCanceledException"
_CONDITION_FAILED = "ConditionalCheckFailed"
# Changes of one moment take turns: one wins each round.
_TRIES = 40
_PAUSE_S = 0.02


class DynamoTrail:
    """The trail of one table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def write(self, entry: Entry, writes: Sequence[Write]) -> bool:
        """Make a change and record it, both or neither; return False if a condition of the change did not hold.

        Raises
        ------
        ClientError     also where others were faster each time
        Misconfigured   the trail's head cannot be read
        """
        for attempt in range(1, _TRIES + 1):
            try:
                self._table.write_together([*writes, *_recorded(self.head(), entry)])
            except ClientError as exc:
                reasons = [reason.get("Code") for reason in exc.response.get("CancellationReasons", [])]
                if error_code(exc) == _CANCELLED and _CONDITION_FAILED in reasons[: len(writes)]:
                    return False
                if error_code(exc) != _CANCELLED or attempt == _TRIES:
                    raise
                time.sleep(_PAUSE_S * random())  # noqa: S311 - no secret
            else:
                break
        return True

    def head(self) -> Head:
        """Return the end of the trail."""
        row = self._table.get_item(Key=_HEAD_KEY, ConsistentRead=True).get("Item")
        if row is None:
            return Head()
        if (head := _read_head(row)) is None:
            raise Misconfigured("The trail of changes has no head that can be read: see `lambent audit verify`.")
        return head

    def lines(self) -> tuple[list[StoredLine], Head | None]:
        """Return all that stands in the trail's partition, and the head if there is one that can be read."""
        rows: list[dict[str, Any]] = []
        query: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": _PARTITION},
            "ConsistentRead": True,
        }
        while True:
            page = self._table.query(**query)
            rows += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        heads = [_read_head(row) for row in rows if row["sk"] == _HEAD_KEY["sk"]]
        return [_stored(row) for row in rows if row["sk"] != _HEAD_KEY["sk"]], next(iter(heads), None)


def _recorded(head: Head, entry: Entry) -> list[Write]:
    line = head.next_line(entry)
    put = {"Item": {"pk": _PARTITION, "sk": place_of(line.number), **line_fields(line)}}
    moved: dict[str, Any] = {"Item": {**_HEAD_KEY, "number": line.number, "digest": line.digest}}
    if head.number == 0:
        moved["ConditionExpression"] = "attribute_not_exists(pk)"
    else:
        moved["ConditionExpression"] = "digest = :digest"
        moved["ExpressionAttributeValues"] = {":digest": head.digest}
    return [("Put", {**put, "ConditionExpression": "attribute_not_exists(pk)"}), ("Put", moved)]


def _read_head(row: dict[str, Any]) -> Head | None:
    number, digest = row.get("number"), row.get("digest")
    return Head(number, digest) if isinstance(number, int) and isinstance(digest, str) else None


def _stored(row: dict[str, Any]) -> StoredLine:
    fields = {name: value for name, value in row.items() if name not in ("pk", "sk")}
    return StoredLine(str(row["sk"]), read_line(fields), str(fields.get("digest", "")))
