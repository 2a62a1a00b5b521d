"""Registry and CallerDirectory on Amazon DynamoDB.

Rows: ``MODELS / {name}``, ``MODEL#{name} / VERSION#000007``, ``MODEL#{name} / LABEL#live``, ``APIKEY#{id} / TENANT``,
``SERVING / {name}``.
"""

from __future__ import annotations

from typing import Any

from lambent.adapters.aws_errors import translate
from lambent.adapters.registry_rows import (
    change_fields,
    label_key,
    label_row,
    read_label,
    read_version,
    version_key,
    version_row,
)
from lambent.domain.caller import DEFAULT_SCOPES, Caller, read_scopes
from lambent.domain.model import Change, LabelRecord, ModelRef, VersionRecord
from lambent.domain.rollout import why_refused
from lambent.errors import VersionImmutable

_WHAT = "registry"
# A partition of its own: the role of the function that writes it may write nothing else.
_SERVING = "SERVING"
# A transaction has 100 items at most; three of them are the version, the trail's line and the trail's head.
_MOST_CHECKS = 97


class DynamoRegistry:
    """The models' rows of the table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def versions(self, name: str) -> list[VersionRecord]:
        """Return all versions in rising order."""
        return [read_version(name, row) for row in self._query(f"MODEL#{name}", "VERSION#")]

    def version(self, ref: ModelRef) -> VersionRecord | None:
        """Return one version's record."""
        row = self._get(version_key(ref))
        return read_version(ref.name, row) if row else None

    def add_version(self, record: VersionRecord) -> None:
        """Record a version; raises VersionImmutable if it exists."""
        row = version_row(record)
        with translate(_WHAT):
            if record.removed is None:
                # The list of models first: a crash in between leaves a name without versions, never the reverse.
                self._table.put_item(Item={"pk": "MODELS", "sk": record.ref.name})
        put = ("Put", {"Item": row, "ConditionExpression": "attribute_not_exists(pk)"})
        made = record.removed or Change(record.created_at, record.by, record.why)
        action = "publish" if record.removed is None else "remove"
        said = f"version {record.ref.version}, manifest sha256 {record.manifest_sha256}"
        # A write whose answer was lost is repeated by the SDK and then meets itself: that is a success.
        is_written = self._write_together([put], record.ref.name, action, said, made)
        if not is_written and self.version(record.ref) != record:
            raise VersionImmutable(f"{record.ref} is already published; versions never change.")

    def label(self, name: str, label: str) -> LabelRecord | None:
        """Return where a label points."""
        row = self._get(label_key(name, label))
        return read_label(name, row) if row else None

    def labels(self, name: str) -> list[LabelRecord]:
        """Return all labels of a model."""
        return [read_label(name, row) for row in self._query(f"MODEL#{name}", "LABEL#")]

    def set_label(self, record: LabelRecord) -> None:
        """Move a label, in one transaction with the versions that it names; see ports.Registry.

        Each version's row takes a note of the label, which is how `retire_version` knows of it.
        """
        put: dict[str, Any] = {"Item": label_row(record)}
        if record.revision == 1:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "revision = :before"
            put["ExpressionAttributeValues"] = {":before": record.revision - 1}
        note = {
            "UpdateExpression": "ADD label_names :label",
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(retired_at)",
            "ExpressionAttributeValues": {":label": {record.label}},
        }
        refs = [ModelRef(record.name, version) for version in record.versions]
        notes = [("Update", {"Key": version_key(ref), **note}) for ref in refs]
        action = f"label {record.history[-1].action if record.history else 'set'}"
        if self._write_together([("Put", put), *notes], record.name, action, _pointed(record), record.change):
            return
        found = self.label(record.name, record.label)
        if found != record:  # else the transaction was repeated after a lost answer, and met itself
            raise why_refused(record, found, {ref: self.version(ref) for ref in refs})

    def retire_version(self, record: VersionRecord, change: Change) -> bool:
        """Retire an active version that no label uses; see ports.Registry.

        Why no label can ever point to a retired version: a label that is moved to the version is in ``label_names``
        from that moment on. If these are still the same when the transaction commits, then all labels that might point
        here are among its checks; and once it has committed, `set_label`'s own condition keeps them away.
        """
        ref = record.ref
        seen = self._without_old_notes(ref, set(record.label_names), change)
        if seen is None:
            return False
        condition = "attribute_exists(pk) AND attribute_not_exists(retired_at) AND "
        condition += "label_names = :seen" if seen else "attribute_not_exists(label_names)"
        fields = change_fields("retired", change)
        values = {f":{name}": text for name, text in fields.items()}
        update = {
            "Key": version_key(ref),
            "UpdateExpression": f"SET {', '.join(f'{name} = :{name}' for name in fields)}",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {**values, **({":seen": seen} if seen else {})},
        }
        # Labels that an earlier release moved left no note; they are old, so that a query has them all.
        if any(ref.version in label.versions for label in self.labels(ref.name)):
            return False
        writes, said = [("Update", update), *_elsewhere(ref, seen)], f"version {ref.version}"
        return self._write_together(writes, ref.name, "retire", said, change) or self._became(ref, "retired", change)

    def _without_old_notes(self, ref: ModelRef, seen: set[str], change: Change) -> set[str] | None:
        """Take notes of labels off a version until one transaction can check the others; None if one points there.

        A note goes only while its label points elsewhere; if it comes back, it is noted again.
        """
        seen = set(seen)
        while len(seen) > _MOST_CHECKS:
            some = set(sorted(seen)[:_MOST_CHECKS])
            update = {
                "Key": version_key(ref),
                "UpdateExpression": "DELETE label_names :some",
                "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(retired_at)",
                "ExpressionAttributeValues": {":some": some},
            }
            writes, said = (
                [("Update", update), *_elsewhere(ref, some)],
                f"version {ref.version}: {len(some)} old labels",
            )
            if not self._write_together(writes, ref.name, "retire prepared", said, change):
                return None
            seen -= some
        return seen

    def remove_version(self, ref: ModelRef, change: Change) -> bool:
        """Record that a retired version's files go; return whether it was retired and not removed yet."""
        fields = change_fields("removed", change)
        update = {
            "Key": version_key(ref),
            "UpdateExpression": f"SET {', '.join(f'{name} = :{name}' for name in fields)}",
            "ConditionExpression": "attribute_exists(retired_at) AND attribute_not_exists(removed_at)",
            "ExpressionAttributeValues": {f":{name}": text for name, text in fields.items()},
        }
        writes, said = [("Update", update)], f"files of version {ref.version}"
        return self._write_together(writes, ref.name, "remove", said, change) or self._became(ref, "removed", change)

    def _became(self, ref: ModelRef, what: str, change: Change) -> bool:
        """Return whether a refused change of a version stands there, because its answer was lost."""
        found = self.version(ref)
        return found is not None and {"retired": found.retired, "removed": found.removed}[what] == change

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        return [str(row["sk"]) for row in self._query("MODELS", "")]

    def unloaded_at(self, name: str) -> str | None:
        """Return when an operator unloaded a model, None while it is served."""
        row = self._get({"pk": _SERVING, "sk": name})
        return row.get("unloaded_at") if row else None

    def set_unloaded(self, name: str, change: Change, *, is_unloaded: bool) -> None:
        """Record that a model is unloaded since the change, or that it is served again."""
        put = ("Put", {"Item": {"pk": _SERVING, "sk": name, "unloaded_at": change.at if is_unloaded else None}})
        self._write_together([put], name, "unload" if is_unloaded else "load", "", change)

    def caller_of(self, api_key_id: str) -> Caller | None:
        """Return the tenant and the scopes of a key id; a row without scopes has the default ones."""
        row = self._get({"pk": f"APIKEY#{api_key_id}", "sk": "TENANT"})
        if row is None:
            return None
        scopes = read_scopes(row["scopes"]) if "scopes" in row else DEFAULT_SCOPES
        return Caller(str(row["tenant"]), scopes, row.get("valid_until"))

    def _write_together(
        self, writes: list[tuple[str, dict[str, Any]]], model: str, action: str, detail: str, change: Change
    ) -> bool:
        """Make writes on conditions and record the change, all or none; return whether the conditions held."""
        # Those who only read the registry, which is most, do without it.
        from lambent.adapters.dynamodb_trail import DynamoTrail
        from lambent.domain.audit_trail import Entry

        entry = Entry(
            at=change.at, by=change.by, action=action, subject=f"model {model}", detail=detail, why=change.why
        )
        with translate(_WHAT):
            return DynamoTrail(self._table).write(entry, writes)

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        with translate(_WHAT):
            row: dict[str, Any] | None = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
        return row

    def _query(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        condition, values = "pk = :pk", {":pk": pk}
        if sk_prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": sk_prefix}
        rows: list[dict[str, Any]] = []
        arguments: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        with translate(_WHAT):
            while True:
                page = self._table.query(**arguments)
                rows += page["Items"]
                if "LastEvaluatedKey" not in page:
                    return rows
                arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _pointed(record: LabelRecord) -> str:
    """Return where a label points, for people."""
    to = f"{record.label} → {record.version}"
    return (
        to if record.canary is None else f"{to}, canary {record.canary.version} at {record.canary.weight_percent:g} %"
    )


def _elsewhere(ref: ModelRef, labels: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the checks that labels do not point to a version, by themselves or by their canary."""
    condition = {
        "ConditionExpression": "attribute_not_exists(pk) OR (version <> :version AND "
        "(attribute_not_exists(canary_version) OR canary_version <> :version))",
        "ExpressionAttributeValues": {":version": ref.version},
    }
    return [("ConditionCheck", {"Key": label_key(ref.name, label), **condition}) for label in sorted(labels)]
