"""DeathLedger on Amazon DynamoDB: ``DEAD#{queue} / {message id}``, a row for each dead letter that was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.domain.dead_letters import Became, DeathRecord

_WHAT = "ledger of dead letters"
_MOST_CHARACTERS = 1_000


class DynamoDeathLedger:
    """The dead letters' rows of the table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def known(self, queue: str) -> set[str]:
        """Return the ids of the messages of a queue that are recorded."""
        return {row["sk"] for row in self._rows(queue)}

    def records(self, queue: str) -> list[DeathRecord]:
        """Return what was recorded of a queue's messages."""
        return [_record(queue, row) for row in self._rows(queue)]

    def add(self, record: DeathRecord, *, expires_at_s: int) -> bool:
        """Record a message, once; return whether it was not recorded before."""
        row = {
            "pk": _pk(record.queue),
            "sk": record.message_id,
            "became": record.became.value,
            "code": record.code,
            "detail": record.detail[:_MOST_CHARACTERS],
            "tenant": record.tenant,
            "subject": None if record.subject is None else record.subject[:_MOST_CHARACTERS],
            "at": record.at,
            "expires_at": expires_at_s,
        }
        with translate(_WHAT):
            try:
                self._table.put_item(Item=row, ConditionExpression="attribute_not_exists(pk)")
            except ClientError as exc:
                if error_code(exc) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def _rows(self, queue: str) -> Iterator[dict[str, Any]]:
        arguments: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": _pk(queue)},
        }
        while True:
            with translate(_WHAT):
                page = self._table.query(**arguments)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _pk(queue: str) -> str:
    return f"DEAD#{queue}"


def _record(queue: str, row: dict[str, Any]) -> DeathRecord:
    return DeathRecord(
        queue=queue,
        message_id=row["sk"],
        became=Became(row["became"]),
        code=row["code"],
        detail=row["detail"],
        tenant=row["tenant"],
        subject=row["subject"],
        at=row["at"],
    )
