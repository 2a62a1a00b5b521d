"""Tenants and their keys, as rows of the stack's table and keys of its API; each change leaves an audit line.

Rows: ``TENANTS / {name}``; ``TENANT#{name} / KEY#{id}``; ``AUDIT#{name} / {time}#{chance}``, which are added only; and
``APIKEY#{id} / TENANT``, the only one that functions read, by which a request's key becomes a tenant with scopes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from getpass import getuser
from secrets import token_hex
from typing import Any

from lambent.adapters.dynamodb_table import DynamoTable
from lambent.domain.caller import ALL_SCOPES, DEFAULT_SCOPES, Scope
from lambent.domain.names import check_name
from lambent.domain.timestamps import to_timestamp
from lambent.ports import Clock
from lambent.runtime.clock import SystemClock
from lambent_toolkit.stacks.errors import telling_aws_errors
from lambent_toolkit.stacks.stack import Stack
from lambent_toolkit.tenants.errors import KeyClosed, KeyUnknown, TenantExists, TenantInUse, TenantUnknown
from lambent_toolkit.tenants.gateway_keys import GatewayKeys
from lambent_toolkit.tenants.quota import Quota
from lambent_toolkit.tenants.records import (
    AuditLine,
    KeyRecord,
    TenantRecord,
    key_places,
    key_writes,
    read_key,
    read_tenant,
)
from lambent_toolkit.tenants.rows import TenantRows

_TENANTS = "TENANTS"
_MOST_AUDIT_LINES = 50


class Tenants:
    """The tenants of one stack, changed in the name of ``by``: this machine's user unless told otherwise.

    All methods may raise StackError and NameInvalid.
    """

    def __init__(self, stack: Stack, *, by: str | None = None, clock: Clock | None = None) -> None:
        self._keys = GatewayKeys(stack)
        self._stack_name = stack.name
        self._own_key_id = stack.api_key_id
        self._own_tenant = default_tenant(stack)
        self._by = _user() if by is None else by
        self._clock = clock or SystemClock()
        self._rows = TenantRows(DynamoTable(stack.client("dynamodb"), stack.table), by=self._by, clock=self._clock)

    def add(self, name: str, *, why: str = "", is_restored: bool = False) -> TenantRecord:
        """Add a tenant, which has no key yet.

        Parameters
        ----------
        is_restored   bring back a tenant that was removed: who gets its keys reads what is left of its files

        Raises
        ------
        TenantExists   the name is taken; or was, and it is not said to be the same tenant
        """
        check_name(name, what="tenant")
        if name == self._own_tenant:
            raise TenantExists(f"{name} is the stack's default tenant, which is there always.")
        found = self._find(name)
        if found is not None and found.removed_at is None:
            raise TenantExists(f"There is a tenant {name} already, added {found.created_at} by {found.by}.")
        if found is not None and not is_restored:
            raise TenantExists(
                f"A tenant {name} was removed {found.removed_at}, and its files stay until they expire: choose another "
                "name, or say --restore if this is the same tenant."
            )
        now = self._clock.now()
        row = {"pk": _TENANTS, "sk": name, "created_at": now, "by": self._by, "removed_at": None}
        condition = "attribute_not_exists(pk)" if found is None else "NOT removed_at = :none"
        values = {} if found is None else {"ExpressionAttributeValues": {":none": None}}
        put = {"Item": row, "ConditionExpression": condition, **values}
        if not self._rows.write(("Put", put), self._rows.audit(name, "restored" if found else "added", why=why)):
            raise TenantExists(f"There is a tenant {name} already: somebody added it just now.")
        return TenantRecord(name, now, self._by)

    def list(self) -> list[TenantRecord]:
        """Return all tenants that are not removed, the default one first."""
        own = TenantRecord(self._own_tenant, "", "the template")
        return [own, *(each for each in map(read_tenant, self._rows.rows(_TENANTS)) if each.removed_at is None)]

    def remove(self, name: str, *, why: str = "") -> list[KeyRecord]:
        """Remove a tenant and all its keys; its files and jobs stay until they expire. Return the keys.

        Raises
        ------
        TenantUnknown
        TenantInUse     the default tenant, which the template makes
        """
        self.removable(name)
        # First, so that nobody gives the tenant another key meanwhile; who was killed here says it again.
        change = {
            "Key": {"pk": _TENANTS, "sk": name},
            "UpdateExpression": "SET removed_at = :now",
            "ExpressionAttributeValues": {":now": self._clock.now()},
            "ConditionExpression": "attribute_exists(pk)",
        }
        self._rows.write(("Update", change), self._rows.audit(name, "removed", why=why))
        keys = self.keys(name)
        for key in keys:
            self._revoke(key, why=why)
        return keys

    def removable(self, name: str) -> list[KeyRecord]:
        """Return the keys that would go with a tenant; raises as `remove`, and removes nothing."""
        if name == self._own_tenant:
            raise TenantInUse(f"{name} is the stack's default tenant; its own key can be revoked, it stays.")
        found, keys = self._known(name), self.keys(name)
        if found.removed_at is not None and not keys:
            raise TenantUnknown(f"Tenant {name} was removed {found.removed_at}.")
        return keys

    def keys(self, name: str) -> list[KeyRecord]:
        """Return the keys of a tenant, whether it exists or not, the newest last."""
        rows = self._rows.rows(f"TENANT#{name}", "KEY#")
        found = sorted((read_key(name, row) for row in rows), key=lambda key: key.created_at)
        own = KeyRecord(self._own_key_id, name, ALL_SCOPES, None, "", "the template", is_own=True)
        return [own, *found] if name == self._own_tenant else found

    def keys_of(self, name: str) -> list[KeyRecord]:
        """Return the keys of a tenant; raises TenantUnknown."""
        self._check(name)
        return self.keys(name)

    def create_key(
        self, name: str, *, scopes: Iterable[Scope] = DEFAULT_SCOPES, quota: Quota | None = None, why: str = ""
    ) -> tuple[KeyRecord, str]:
        """Make a key of a tenant; return it and its value.

        Raises
        ------
        TenantUnknown   there is no such tenant, or it was removed
        """
        self._check(name)
        return self._create_key(name, frozenset(scopes), quota, why=why, action="key created")

    def _create_key(
        self, name: str, scopes: frozenset[Scope], quota: Quota | None, *, why: str, action: str
    ) -> tuple[KeyRecord, str]:
        made = self._keys.create(f"{self._stack_name} {name} {token_hex(3)}")
        key = KeyRecord(made.key_id, name, scopes, quota, self._clock.now(), self._by)
        # Whoever is killed in between leaves a key that is disabled, or one that is listed and can be revoked.
        said = f"scopes {', '.join(sorted(scopes))}; quota {quota or 'of the stack'}"
        writes = [*key_writes(key), self._rows.audit(name, action, key_id=key.key_id, detail=said, why=why)]
        if name != self._own_tenant:
            writes.append(("ConditionCheck", {**_STANDS, "Key": {"pk": _TENANTS, "sk": name}}))
        if not self._rows.write(*writes):
            self._keys.delete(made.key_id, None)
            raise TenantUnknown(f"Tenant {name} was removed just now; no key was made.")
        self._keys.open(key.key_id, quota)
        return key, made.value

    def rotate_key(self, key_id: str, *, grace_s: float, why: str = "") -> tuple[KeyRecord, str]:
        """Make another key in place of one, with its scopes and quota; return it and its value.

        Parameters
        ----------
        grace_s   seconds for which the old key goes on working; 0 revokes it at once

        Raises
        ------
        KeyUnknown
        KeyClosed    another key is in its place already: to give it one more would let it live longer, too
        """
        old = self.find_key(key_id)
        if old.valid_until is not None:
            raise KeyClosed(_rotated(old, f"it works until {old.valid_until}"))
        new, value = self._create_key(old.tenant, old.scopes, old.quota, why=why, action="key rotated in")
        if grace_s <= 0 or old.is_own:
            self._revoke(old, why=why or f"rotated to {new.key_id}")
        elif not self._end(old, self._clock.epoch_s() + grace_s, new):
            self._revoke(new, why="somebody else was faster")
            raise KeyClosed(_rotated(old, "somebody did it just now"))
        return new, value

    def revoke_key(self, key_id: str, *, why: str = "") -> KeyRecord:
        """Let a key open nothing any more, within 5 s everywhere; raises KeyUnknown."""
        key = self.find_key(key_id)
        self._revoke(key, why=why)
        return key

    def find_key(self, key_id: str) -> KeyRecord:
        """Return a key by its id; raises KeyUnknown."""
        if key_id == self._own_key_id:
            return self.keys(self._own_tenant)[0]
        row = self._rows.row(f"APIKEY#{key_id}", "TENANT")
        found = row and self._rows.row(f"TENANT#{row['tenant']}", f"KEY#{key_id}")
        if not row or not found:
            raise KeyUnknown(f"There is no key {key_id}: see `lambent key list`; ids are told, never values.")
        return read_key(str(row["tenant"]), found)

    def value_of(self, key_id: str | None = None) -> str:
        """Return a key's value, of the stack's own key if none is named; raises KeyUnknown, KeyClosed."""
        return self._keys.value(self._own_key_id if key_id is None else self.find_key(key_id).key_id)

    def history(self, name: str) -> list[AuditLine]:
        """Return a tenant's latest 50 audit lines, the newest first."""
        rows = self._rows.rows(f"AUDIT#{name}")
        fields = ("at", "by", "action", "key_id", "detail", "why")
        return [AuditLine(*(str(row.get(field, "")) for field in fields)) for row in reversed(rows)][:_MOST_AUDIT_LINES]

    def _revoke(self, key: KeyRecord, *, why: str) -> None:
        audit = self._rows.audit(key.tenant, "key revoked", key_id=key.key_id, why=why)
        self._keys.close(key.key_id)
        if key.is_own:  # the template's: CloudFormation would miss a key that is deleted
            self._rows.write(audit)
            return
        self._keys.delete(key.key_id, key.quota)
        # Last, so that whoever is killed before finds the key still, and can say it again.
        writes = [("Delete", {"Key": {"pk": pk, "sk": sk}}) for pk, sk in key_places(key)]
        self._rows.write(*writes, audit)

    def _end(self, old: KeyRecord, at_s: float, new: KeyRecord) -> bool:
        until = to_timestamp(at_s)
        changes = [
            (
                "Update",
                {
                    "Key": {"pk": pk, "sk": sk},
                    "UpdateExpression": "SET valid_until = :until",
                    "ExpressionAttributeValues": {":until": until},
                    "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(valid_until)",
                },
            )
            for pk, sk in key_places(old)
        ]
        said = f"valid until {until}, then {new.key_id} alone"
        return self._rows.write(
            *changes, self._rows.audit(old.tenant, "key rotated out", key_id=old.key_id, detail=said)
        )

    def _check(self, name: str) -> None:
        check_name(name, what="tenant")
        if name == self._own_tenant:
            return
        found = self._known(name)
        if found.removed_at is not None:
            raise TenantUnknown(f"Tenant {name} was removed {found.removed_at}.")

    def _known(self, name: str) -> TenantRecord:
        found = self._find(check_name(name, what="tenant"))
        if found is None:
            raise TenantUnknown(f"There is no tenant {name}: `lambent tenant add {name}` adds it.")
        return found

    def _find(self, name: str) -> TenantRecord | None:
        row = self._rows.row(_TENANTS, name)
        return None if row is None else read_tenant(row)


_STANDS: dict[str, Any] = {
    "ConditionExpression": "removed_at = :none",
    "ExpressionAttributeValues": {":none": None},
}


def _user() -> str:
    """Return this machine's user; a container may run as a number that has no name."""
    try:
        return getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _rotated(key: KeyRecord, what: str) -> str:
    return (
        f"Key {key.key_id} was rotated or revoked already, {what}: rotate the key in its place, see "
        f"`lambent key list --tenant {key.tenant}`, or end this one: lambent key revoke {key.key_id}"
    )


def default_tenant(stack: Stack) -> str:
    """Return the tenant of the key that a stack's template makes, as its functions are told it."""
    with telling_aws_errors():
        found = stack.client("lambda").get_function_configuration(FunctionName=stack.functions["predict"])
    return str(found["Environment"]["Variables"]["DEFAULT_TENANT"])
