"""Point a label to a version."""

from __future__ import annotations

from lambent.domain.model import LabelRecord, ModelRef, MoveAction
from lambent.domain.names import check_name
from lambent.domain.rollout import moved, new_label, stale
from lambent.errors import NameInvalid
from lambent.ports import Clock, Registry
from lambent.services.change import change_of
from lambent.services.move_label import active_version


def set_label(
    name: str,
    label: str,
    version: int,
    *,
    registry: Registry,
    clock: Clock,
    by: str = "",
    why: str = "",
    revision: int | None = None,
) -> LabelRecord:
    """Move ``label`` to a published version with one conditional write; a canary that it had ends with it.

    Parameters
    ----------
    by, why    who wants it and for what reason, for the history
    revision   the revision that the label must be at, 0 if there must be none; the present one if None

    Raises
    ------
    NameInvalid, RequestInvalid, ModelNotFound, Unavailable
    VersionRetired   the version is no longer active
    AliasConflict    somebody else moved the label in the meantime, or it is not at ``revision``
    """
    check_name(name, what="model")
    _check_label(label)
    active_version(ModelRef(name, version), registry)
    change = change_of(clock, by=by, why=why)
    current = registry.label(name, label)
    if revision is not None and (current.revision if current else 0) != revision:
        raise stale(name, label, current, revision=revision)
    if current is None:
        record = new_label(name, label, version, change)
    else:
        record = moved(current, MoveAction.SET, version, change)
    registry.set_label(record)
    return record


def _check_label(label: str) -> None:
    check_name(label, what="label")
    if label.isdigit():
        # MODEL@2 is version 2, and must never be another one that a label "2" points to.
        raise NameInvalid(
            f"A label is no number, as {label} is that of a version: name it v{label}, say.", field="label", got=label
        )
