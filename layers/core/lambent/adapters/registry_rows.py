"""The registry's rows and what they say; rows of earlier releases lack what was added since."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.domain.model import Canary, Change, LabelMove, LabelRecord, ModelRef, VersionRecord
from lambent.domain.signatures import ManifestSignature


def version_key(ref: ModelRef) -> dict[str, str]:
    """Return the key of a version's row."""
    return {"pk": f"MODEL#{ref.name}", "sk": f"VERSION#{ref.version:06d}"}


def label_key(name: str, label: str) -> dict[str, str]:
    """Return the key of a label's row."""
    return {"pk": f"MODEL#{name}", "sk": f"LABEL#{label}"}


def version_row(record: VersionRecord) -> dict[str, Any]:
    """Return the row of a version that is new to the registry."""
    row: dict[str, Any] = {
        **version_key(record.ref),
        "version": record.ref.version,
        "manifest_sha256": record.manifest_sha256,
        "created_at": record.created_at,
    }
    if record.signature is not None:
        row |= {"signature_key_id": record.signature.key_id, "signature": record.signature.value}
    for what, change in (("retired", record.retired), ("removed", record.removed)):
        row |= change_fields(what, change) if change is not None else {}
    return row | {name: text for name, text in (("published_by", record.by), ("published_why", record.why)) if text}


def read_version(name: str, row: dict[str, Any]) -> VersionRecord:
    """Return what a version's row says."""
    return VersionRecord(
        ModelRef(name, int(row["version"])),
        str(row["manifest_sha256"]),
        str(row["created_at"]),
        ManifestSignature(row["signature_key_id"], row["signature"]) if "signature" in row else None,
        by=row.get("published_by", ""),
        why=row.get("published_why", ""),
        retired=_change(row, "retired"),
        removed=_change(row, "removed"),
        label_names=frozenset(row.get("label_names", ())),
    )


def change_fields(what: str, change: Change) -> dict[str, str]:
    """Return the columns of what became of a version: ``retired`` or ``removed``."""
    return {f"{what}_at": change.at, f"{what}_by": change.by, f"{what}_why": change.why}


def _change(row: dict[str, Any], what: str) -> Change | None:
    at = row.get(f"{what}_at")
    return None if at is None else Change(at, row[f"{what}_by"], row[f"{what}_why"])


def label_row(record: LabelRecord) -> dict[str, Any]:
    """Return a label's row; a move is one JSON text, as rows hold no objects."""
    row: dict[str, Any] = {
        **label_key(record.name, record.label),
        "version": record.version,
        "revision": record.revision,
        "updated_at": record.updated_at,
        "moved_by": record.by,
        "moved_why": record.why,
        "history": [msgspec.json.encode(move).decode() for move in record.history],
    }
    if record.canary is not None:
        row |= {"canary_version": record.canary.version, "canary_weight_bp": record.canary.weight_bp}
    return row


def read_label(name: str, row: dict[str, Any]) -> LabelRecord:
    """Return what a label's row says."""
    canary = None
    if "canary_version" in row:
        canary = Canary(int(row["canary_version"]), int(row["canary_weight_bp"]))
    return LabelRecord(
        name,
        str(row["sk"]).removeprefix("LABEL#"),
        int(row["version"]),
        int(row["revision"]),
        str(row["updated_at"]),
        canary=canary,
        by=row.get("moved_by", ""),
        why=row.get("moved_why", ""),
        history=tuple(msgspec.json.decode(text, type=LabelMove) for text in row.get("history", ())),
    )
