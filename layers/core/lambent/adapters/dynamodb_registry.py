"""Registry and CallerDirectory on Amazon DynamoDB.

Rows: ``MODELS / {name}``, ``MODEL#{name} / VERSION#000007``, ``MODEL#{name} / LABEL#live``, ``APIKEY#{id} / TENANT``,
``SERVING / {name}``.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.domain.caller import DEFAULT_SCOPES, Caller, read_scopes
from lambent.domain.model import LabelRecord, ModelRef, VersionRecord
from lambent.domain.signatures import ManifestSignature
from lambent.errors import AliasConflict, VersionImmutable

_WHAT = "registry"
# A partition of its own: the role of the function that writes it may write nothing else.
_SERVING = "SERVING"
_LOST_RACE = "ConditionalCheckFailedException"


class DynamoRegistry:
    """The models' rows of the table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def versions(self, name: str) -> list[VersionRecord]:
        """Return all versions in rising order."""
        return [_version(name, row) for row in self._query(f"MODEL#{name}", "VERSION#")]

    def version(self, ref: ModelRef) -> VersionRecord | None:
        """Return one version's record."""
        row = self._get(f"MODEL#{ref.name}", _version_sk(ref.version))
        return _version(ref.name, row) if row else None

    def add_version(self, record: VersionRecord) -> None:
        """Record a version; raises VersionImmutable if it exists."""
        row: dict[str, Any] = {
            "pk": f"MODEL#{record.ref.name}",
            "sk": _version_sk(record.ref.version),
            "version": record.ref.version,
            "manifest_sha256": record.manifest_sha256,
            "created_at": record.created_at,
        }
        if record.signature is not None:
            row["signature"] = {"key_id": record.signature.key_id, "value": record.signature.value}
        with translate(_WHAT):
            # The list of models first: a crash in between leaves a name without versions, never the reverse.
            self._table.put_item(Item={"pk": "MODELS", "sk": record.ref.name})
        if not self._put_if(row, "attribute_not_exists(pk)"):
            raise VersionImmutable(f"{record.ref} is already published; versions never change.")

    def label(self, name: str, label: str) -> LabelRecord | None:
        """Return where a label points."""
        row = self._get(f"MODEL#{name}", f"LABEL#{label}")
        return _label(name, row) if row else None

    def labels(self, name: str) -> list[LabelRecord]:
        """Return all labels of a model."""
        return [_label(name, row) for row in self._query(f"MODEL#{name}", "LABEL#")]

    def set_label(self, record: LabelRecord) -> None:
        """Move a label from the revision before; raises AliasConflict if it moved since."""
        row = {
            "pk": f"MODEL#{record.name}",
            "sk": f"LABEL#{record.label}",
            "version": record.version,
            "revision": record.revision,
            "updated_at": record.updated_at,
        }
        if record.revision == 1:
            is_moved = self._put_if(row, "attribute_not_exists(pk)")
        else:
            is_moved = self._put_if(row, "revision = :before", {":before": record.revision - 1})
        if not is_moved:
            raise AliasConflict(f"The label {record.label} of {record.name} was moved by somebody else; read it again.")

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        return [str(row["sk"]) for row in self._query("MODELS", "")]

    def unloaded_at(self, name: str) -> str | None:
        """Return when an operator unloaded a model, None while it is served."""
        row = self._get(_SERVING, name)
        return row.get("unloaded_at") if row else None

    def set_unloaded(self, name: str, at: str | None) -> None:
        """Record that a model is unloaded since ``at``, or with None that it is served."""
        with translate(_WHAT):
            self._table.put_item(Item={"pk": _SERVING, "sk": name, "unloaded_at": at})

    def caller_of(self, api_key_id: str) -> Caller | None:
        """Return the tenant and the scopes of a key id; a row without scopes has the default ones."""
        row = self._get(f"APIKEY#{api_key_id}", "TENANT")
        if row is None:
            return None
        return Caller(str(row["tenant"]), read_scopes(row["scopes"]) if "scopes" in row else DEFAULT_SCOPES)

    def _put_if(self, row: dict[str, Any], condition: str, values: dict[str, Any] | None = None) -> bool:
        """Write a row on a condition; return whether the row stands there now.

        A write whose answer was lost is repeated by the SDK and then meets itself: that is a success.
        """
        arguments = {"ExpressionAttributeValues": values} if values else {}
        with translate(_WHAT):
            try:
                self._table.put_item(Item=row, ConditionExpression=condition, **arguments)
            except ClientError as exc:
                if error_code(exc) != _LOST_RACE:
                    raise
                return self._get(row["pk"], row["sk"]) == row
        return True

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        with translate(_WHAT):
            row: dict[str, Any] | None = self._table.get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item")
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


def _version_sk(version: int) -> str:
    return f"VERSION#{version:06d}"


def _version(name: str, row: dict[str, Any]) -> VersionRecord:
    signature = ManifestSignature(**row["signature"]) if "signature" in row else None
    ref = ModelRef(name, int(row["version"]))
    return VersionRecord(ref, str(row["manifest_sha256"]), str(row["created_at"]), signature)


def _label(name: str, row: dict[str, Any]) -> LabelRecord:
    label = str(row["sk"]).removeprefix("LABEL#")
    return LabelRecord(name, label, int(row["version"]), int(row["revision"]), str(row["updated_at"]))
