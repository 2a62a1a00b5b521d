"""Tenants, their keys and their audit lines, and the rows that these are in the stack's table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambent.domain.caller import Scope, read_scopes
from lambent_toolkit.tenants.quota import Quota


@dataclass(frozen=True)
class KeyRecord:
    """One key of a tenant; its value is API Gateway's secret and stands nowhere else.

    Parameters
    ----------
    quota         None is the stack's own quota
    valid_until   RFC 3339, where a rotation gave it an end
    is_own        the key that the template makes
    """

    key_id: str
    tenant: str
    scopes: frozenset[Scope]
    quota: Quota | None
    created_at: str
    by: str
    valid_until: str | None = None
    is_own: bool = False


@dataclass(frozen=True)
class TenantRecord:
    """One tenant; ``removed_at`` is None while it may have keys."""

    name: str
    created_at: str
    by: str
    removed_at: str | None = None


@dataclass(frozen=True)
class AuditLine:
    """Who changed what of a tenant, when and why."""

    at: str
    by: str
    action: str
    key_id: str
    detail: str
    why: str


def key_places(key: KeyRecord) -> list[tuple[str, str]]:
    """Return pk and sk of a key's two rows: what functions look up, and what lists a tenant's keys."""
    return [(f"APIKEY#{key.key_id}", "TENANT"), (f"TENANT#{key.tenant}", f"KEY#{key.key_id}")]


def key_writes(key: KeyRecord) -> list[tuple[str, dict[str, Any]]]:
    """Return the writes that record a key."""
    told = {"scopes": sorted(key.scopes), "created_at": key.created_at, "by": key.by, "tenant": key.tenant}
    quota = {} if key.quota is None else {"quota": str(key.quota)}
    return [("Put", {"Item": {"pk": pk, "sk": sk, **told, **quota}}) for pk, sk in key_places(key)]


def read_key(tenant: str, row: dict[str, Any]) -> KeyRecord:
    """Return the key of a row ``TENANT#{name} / KEY#{id}``."""
    return KeyRecord(
        key_id=str(row["sk"]).removeprefix("KEY#"),
        tenant=tenant,
        scopes=read_scopes(row["scopes"]),
        quota=Quota.parse(row["quota"]) if "quota" in row else None,
        created_at=str(row["created_at"]),
        by=str(row["by"]),
        valid_until=row.get("valid_until"),
    )


def read_tenant(row: dict[str, Any]) -> TenantRecord:
    """Return the tenant of a row ``TENANTS / {name}``."""
    return TenantRecord(str(row["sk"]), str(row["created_at"]), str(row["by"]), row.get("removed_at"))
