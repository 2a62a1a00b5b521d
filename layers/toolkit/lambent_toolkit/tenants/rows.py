"""The stack's table, as far as tenants and keys are rows of it; every change goes into the stack's trail, too."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.dynamodb_trail import DynamoTrail, Write
from lambent.domain.audit_trail import Entry
from lambent.ports import Clock
from lambent_toolkit.stacks.errors import telling_aws_errors

_AUDIT = "AUDIT#"


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
        row = {"pk": f"{_AUDIT}{tenant}", "sk": f"{now}#{token_hex(4)}", "at": now, "by": self._by}
        return "Put", {"Item": {**row, "action": action, "key_id": key_id, "detail": detail, "why": why}}

    def write(self, *writes: Write) -> bool:
        """Write all or nothing, one audit line among it; return whether the conditions held."""
        (told,) = (write["Item"] for kind, write in writes if kind == "Put" and write["Item"]["pk"].startswith(_AUDIT))
        said = [text for text in (told["key_id"] and f"key {told['key_id']}", told["detail"]) if text]
        entry = Entry(
            at=told["at"],
            by=told["by"],
            action=f"tenant {told['action']}" if not told["action"].startswith("key") else told["action"],
            subject=f"tenant {told['pk'].removeprefix(_AUDIT)}",
            detail="; ".join(said),
            why=told["why"],
        )
        with telling_aws_errors():
            return DynamoTrail(self._table).write(entry, writes)

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
