"""The stack's table, as far as tenants and keys are rows of it."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.ports import Clock
from lambent_toolkit.stacks.errors import telling_aws_errors

_TAKEN = frozenset({"ConditionalCheckFailedException", "TransactionCanceledException"})
Write = tuple[str, dict[str, Any]]


class TenantRows:
    """Rows by their keys; all methods may raise StackError.

    Parameters
    ----------
    by   who changes them, for the audit lines
    """

    def __init__(self, table: DynamoTable, *, by: str, clock: Clock) -> None:
        self._table, self._by, self._clock = table, by, clock

    def audit(self, tenant: str, action: str, *, key_id: str = "", detail: str = "", why: str = "") -> Write:
        """Return the write that leaves an audit line; it goes together with the change that it tells of."""
        now = self._clock.now()
        row = {"pk": f"AUDIT#{tenant}", "sk": f"{now}#{token_hex(4)}", "at": now, "by": self._by}
        return "Put", {"Item": {**row, "action": action, "key_id": key_id, "detail": detail, "why": why}}

    def write(self, *writes: Write) -> bool:
        """Write all or nothing; return whether the conditions held."""
        with telling_aws_errors():
            try:
                self._table.write_together(writes)
            except ClientError as exc:
                if error_code(exc) not in _TAKEN:
                    raise
                return False
        return True

    def row(self, pk: str, sk: str) -> dict[str, Any] | None:
        """Return one row, None if there is none."""
        with telling_aws_errors():
            row: dict[str, Any] | None = self._table.get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item")
        return row

    def rows(self, pk: str, sk_prefix: str = "") -> list[dict[str, Any]]:
        """Return all rows of a partition whose sort keys begin so, in their order."""
        condition, values = "pk = :pk", {":pk": pk}
        if sk_prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": sk_prefix}
        query: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        rows: list[dict[str, Any]] = []
        with telling_aws_errors():
            while True:
                page = self._table.query(**query)
                rows += page["Items"]
                if "LastEvaluatedKey" not in page:
                    return rows
                query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
