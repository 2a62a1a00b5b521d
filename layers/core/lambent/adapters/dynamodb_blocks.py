"""BlockStore on Amazon DynamoDB: the one row ``LANE#gpu / BLOCKED``."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.domain.waiting import QueueBlock

_WHAT = "job ledger"
_KEY = {"pk": "LANE#gpu", "sk": "BLOCKED"}


class DynamoBlockStore:
    """The row of the table that tells of the GPU lane's queue."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def record(self, block: QueueBlock, *, expires_at_s: int) -> None:
        """Remember a block, unless a later one is remembered."""
        with translate(_WHAT):
            try:
                self._table.update_item(
                    Key=_KEY,
                    UpdateExpression="SET batch_job_id = :id, told_at = :at, reason = :reason, expires_at = :expires",
                    ConditionExpression="attribute_not_exists(pk) OR told_at < :at",
                    ExpressionAttributeValues={
                        ":id": block.batch_job_id,
                        ":at": block.at,
                        ":reason": block.reason,
                        ":expires": expires_at_s,
                    },
                )
            except ClientError as exc:
                if error_code(exc) != "ConditionalCheckFailedException":
                    raise

    def latest(self) -> QueueBlock | None:
        """Return the block that was told last, which may be over."""
        with translate(_WHAT):
            row = self._table.get_item(Key=_KEY).get("Item")
        return None if row is None else QueueBlock(row["batch_job_id"], row["told_at"], row["reason"])
