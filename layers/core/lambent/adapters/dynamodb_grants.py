"""GrantStore on Amazon DynamoDB: rows ``UPLOAD#{tenant}#{id} / UPLOAD``."""

from __future__ import annotations

from typing import Any

from lambent.adapters.aws_errors import translate
from lambent.domain.model import ModelChoice
from lambent.domain.uploads import UploadGrant

_WHAT = "upload ledger"


class DynamoGrantStore:
    """The uploads' rows of the table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def add(self, grant: UploadGrant, *, forget_at_s: int) -> None:
        """Record a new grant, which may be forgotten at a time (seconds since 1970)."""
        row = {
            **_key(grant.tenant, grant.upload_id),
            "object_key": grant.key,
            "model": grant.choice.name,
            "version": grant.choice.version,
            "label": grant.choice.label,
            "request_key": grant.request_key,
            "content_type": grant.content_type,
            "sha256": grant.sha256,
            "min_bytes": grant.min_bytes,
            "max_bytes": grant.max_bytes,
            "created_at": grant.created_at,
            "granted_until": grant.expires_at_s,
            "expires_at": forget_at_s,
        }
        with translate(_WHAT):
            self._table.put_item(Item={name: value for name, value in row.items() if value is not None})

    def get(self, tenant: str, upload_id: str) -> UploadGrant | None:
        """Return a grant of this tenant."""
        with translate(_WHAT):
            row = self._table.get_item(Key=_key(tenant, upload_id), ConsistentRead=True).get("Item")
        if row is None:
            return None
        return UploadGrant(
            tenant=tenant,
            upload_id=upload_id,
            key=row["object_key"],
            choice=ModelChoice(row["model"], row.get("version"), row.get("label")),
            content_type=row["content_type"],
            sha256=row["sha256"],
            min_bytes=int(row["min_bytes"]),
            max_bytes=int(row["max_bytes"]),
            created_at=row["created_at"],
            expires_at_s=int(row["granted_until"]),
            request_key=row.get("request_key"),
        )


def _key(tenant: str, upload_id: str) -> dict[str, str]:
    return {"pk": f"UPLOAD#{tenant}#{upload_id}", "sk": "UPLOAD"}
