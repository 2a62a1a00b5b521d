"""Registry and CallerDirectory on Amazon DynamoDB.

Rows: ``MODELS / {name}``, ``MODEL#{name} / VERSION#000007``, ``MODEL#{name} / LABEL#live``, ``APIKEY#{id} / TENANT``,
``SERVING / {name}``.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
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
_LOST_RACE = "ConditionalCheckFailedException"
_CANCELLED = "TransactionCanceledException"
_CONDITION_FAILED = "ConditionalCheckFailed"
# DynamoDB cancels one of two transactions that meet in a row; the next try finds out who was first.
_TRIES = 10
# A transaction has 100 items at most; one of them is the version.
_MOST_CHECKS = 99


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
            try:
                self._table.put_item(Item=row, ConditionExpression="attribute_not_exists(pk)")
            except ClientError as exc:
                if error_code(exc) != _LOST_RACE:
                    raise
                # A write whose answer was lost is repeated by the SDK and then meets itself: that is a success.
                if self.version(record.ref) != record:
                    raise VersionImmutable(f"{record.ref} is already published; versions never change.") from exc

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
        if self._write_together([("Put", put), *notes]):
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
        seen = self._without_old_notes(ref, set(record.label_names))
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
        return self._write_together([("Update", update), *_elsewhere(ref, seen)]) or self._became(
            ref, "retired", change
        )

    def _without_old_notes(self, ref: ModelRef, seen: set[str]) -> set[str] | None:
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
            if not self._write_together([("Update", update), *_elsewhere(ref, some)]):
                return None
            seen -= some
        return seen

    def remove_version(self, ref: ModelRef, change: Change) -> bool:
        """Record that a retired version's files go; return whether it was retired and not removed yet."""
        fields = change_fields("removed", change)
        with translate(_WHAT):
            try:
                self._table.update_item(
                    Key=version_key(ref),
                    UpdateExpression=f"SET {', '.join(f'{name} = :{name}' for name in fields)}",
                    ConditionExpression="attribute_exists(retired_at) AND attribute_not_exists(removed_at)",
                    ExpressionAttributeValues={f":{name}": text for name, text in fields.items()},
                )
            except ClientError as exc:
                if error_code(exc) != _LOST_RACE:
                    raise
                return self._became(ref, "removed", change)
        return True

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

    def set_unloaded(self, name: str, at: str | None) -> None:
        """Record that a model is unloaded since ``at``, or with None that it is served."""
        with translate(_WHAT):
            self._table.put_item(Item={"pk": _SERVING, "sk": name, "unloaded_at": at})

    def caller_of(self, api_key_id: str) -> Caller | None:
        """Return the tenant and the scopes of a key id; a row without scopes has the default ones."""
        row = self._get({"pk": f"APIKEY#{api_key_id}", "sk": "TENANT"})
        if row is None:
            return None
        scopes = read_scopes(row["scopes"]) if "scopes" in row else DEFAULT_SCOPES
        return Caller(str(row["tenant"]), scopes, row.get("valid_until"))

    def _write_together(self, writes: list[tuple[str, dict[str, Any]]]) -> bool:
        """Make writes on conditions, all or none; return whether the conditions held."""
        with translate(_WHAT):
            for attempt in range(1, _TRIES + 1):
                try:
                    self._table.write_together(writes)
                except ClientError as exc:
                    reasons = {reason["Code"] for reason in exc.response.get("CancellationReasons", [])}
                    if error_code(exc) == _CANCELLED and _CONDITION_FAILED in reasons:
                        return False
                    if error_code(exc) != _CANCELLED or attempt == _TRIES:
                        raise
                else:
                    break
        return True

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


def _elsewhere(ref: ModelRef, labels: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the checks that labels do not point to a version, by themselves or by their canary."""
    condition = {
        "ConditionExpression": "attribute_not_exists(pk) OR (version <> :version AND "
        "(attribute_not_exists(canary_version) OR canary_version <> :version))",
        "ExpressionAttributeValues": {":version": ref.version},
    }
    return [("ConditionCheck", {"Key": label_key(ref.name, label), **condition}) for label in sorted(labels)]
