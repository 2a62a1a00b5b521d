"""SecretStore on Amazon DynamoDB: rows ``WEBHOOK#{tenant} / SECRET``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.domain.model import Change
from lambent.domain.webhook_signing import WebhookSecret

_WHAT = "webhook secrets"
_LOST_RACE = "ConditionalCheckFailedException"


class DynamoSecretStore:
    """The secrets' rows of the table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, tenant: str) -> WebhookSecret | None:
        """Return a tenant's secret, if it has one yet."""
        with translate(_WHAT):
            row = self._table.get_item(Key=_key(tenant), ConsistentRead=True).get("Item")
        if row is None:
            return None
        until_s = row.get("previous_until_s")
        return WebhookSecret(
            current=row["current"],
            created_at=row["created_at"],
            revision=int(row["revision"]),
            previous=row.get("previous"),
            previous_until_s=None if until_s is None else int(until_s),
        )

    def put(self, tenant: str, secret: WebhookSecret, *, change: Change | None = None) -> bool:
        """Write ``secret`` if it follows the stored revision, 0 if there is none; see ports.SecretStore."""
        is_first = secret.revision == 1
        condition = "attribute_not_exists(pk)" if is_first else "revision = :seen"
        operands = {} if is_first else {"ExpressionAttributeValues": {":seen": secret.revision - 1}}
        put = {"Item": {**_key(tenant), **asdict(secret)}, "ConditionExpression": condition, **operands}
        with translate(_WHAT):
            if change is not None:
                return self._put_recorded(tenant, put, change)
            try:
                self._table.put_item(**put)
            except ClientError as exc:
                if error_code(exc) == _LOST_RACE:
                    return False
                raise
        return True

    def _put_recorded(self, tenant: str, put: dict[str, Any], change: Change) -> bool:
        from lambent.adapters.dynamodb_trail import DynamoTrail
        from lambent.domain.audit_trail import Entry

        subject = f"tenant {tenant}"
        entry = Entry(at=change.at, by=change.by, action="webhook secret rotated", subject=subject, why=change.why)
        return DynamoTrail(self._table).write(entry, [("Put", put)])


def _key(tenant: str) -> dict[str, str]:
    return {"pk": f"WEBHOOK#{tenant}", "sk": "SECRET"}
