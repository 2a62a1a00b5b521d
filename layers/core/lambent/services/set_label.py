"""Point a label to a version."""

from __future__ import annotations

from lambent.domain.model import LabelRecord, ModelRef
from lambent.domain.names import check_name
from lambent.errors import ModelNotFound
from lambent.ports import Clock, Registry


def set_label(name: str, label: str, version: int, *, registry: Registry, clock: Clock) -> LabelRecord:
    """Move ``label`` to a published version with one conditional write.

    Raises
    ------
    NameInvalid, ModelNotFound, Unavailable
    AliasConflict   somebody else moved the label in the meantime
    """
    check_name(label, what="label")
    if registry.version(ModelRef(name, version)) is None:
        raise ModelNotFound(f"{name} has no version {version}.", field="version")
    current = registry.label(name, label)
    revision = current.revision + 1 if current else 1
    record = LabelRecord(name, label, version, revision, clock.now())
    registry.set_label(record)
    return record
