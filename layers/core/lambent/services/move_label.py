"""Canary, promote, rollback: how a new version gets a label's requests, and how it loses them."""

from __future__ import annotations

from lambent.domain.model import Canary, LabelRecord, ModelRef, MoveAction, VersionRecord
from lambent.domain.names import check_name
from lambent.domain.rollout import check_weight, moved, previous_version, retired, stale
from lambent.errors import RequestInvalid
from lambent.ports import Clock, Registry
from lambent.services.change import change_of
from lambent.services.not_found import no_such_label, no_such_version


class LabelMover:
    """Moves of one label, each one conditional write.

    Parameters
    ----------
    by, why    who wants it and for what reason, for the history
    revision   the revision that the label must be at; the present one if None

    All methods raise NameInvalid, RequestInvalid, ModelNotFound, Unavailable, and AliasConflict if somebody else moved
    the label in the meantime or it is not at ``revision``.
    """

    def __init__(
        self,
        name: str,
        label: str,
        *,
        registry: Registry,
        clock: Clock,
        by: str = "",
        why: str = "",
        revision: int | None = None,
    ) -> None:
        self._name = check_name(name, what="model")
        self._label = check_name(label, what="label")
        self._registry = registry
        self._change = change_of(clock, by=by, why=why)
        self._revision = revision

    def start_canary(self, version: int, weight_bp: int) -> LabelRecord:
        """Let ``version`` answer some of the label's requests, or change how many.

        Parameters
        ----------
        weight_bp   of 10,000 requests, from 1 to 9,999; a larger weight keeps all those that had the canary before

        Raises
        ------
        RequestInvalid   the weight is out of range, or the version is the label's stable one
        VersionRetired   the version is no longer active
        """
        check_weight(weight_bp)
        current = self._current()
        if version == current.version:
            raise RequestInvalid(
                f"Version {version} is the stable version of {self._label}; a canary is another one.",
                field="version",
                got=version,
            )
        active_version(ModelRef(self._name, version), self._registry)
        return self._write(moved(current, MoveAction.CANARY, current.version, self._change, Canary(version, weight_bp)))

    def promote(self) -> LabelRecord:
        """Make the canary the stable version; raises RequestInvalid if the label has none."""
        current = self._current()
        if current.canary is None:
            raise RequestInvalid(
                f"The label {self._label} of {self._name} has no canary to promote; it points to version "
                f"{current.version}.",
                field="label",
            )
        return self._write(moved(current, MoveAction.PROMOTE, current.canary.version, self._change))

    def rollback(self) -> LabelRecord:
        """Take the latest step back: drop the canary if there is one, otherwise go back to the stable version before.

        Raises
        ------
        RequestInvalid   there is no version before this one in the label's history
        VersionRetired   there is, but it is no longer active
        """
        current = self._current()
        if current.canary is not None:
            return self._write(moved(current, MoveAction.ROLLBACK, current.version, self._change))
        before = previous_version(current)
        if before is None:
            raise RequestInvalid(
                f"The label {self._label} of {self._name} has no version before {current.version} to go back to.",
                field="label",
            )
        active_version(ModelRef(self._name, before), self._registry)
        return self._write(moved(current, MoveAction.ROLLBACK, before, self._change))

    def _current(self) -> LabelRecord:
        current = self._registry.label(self._name, self._label)
        if current is None:
            raise no_such_label(self._name, self._registry)
        if self._revision is not None and current.revision != self._revision:
            raise stale(self._name, self._label, current, revision=self._revision)
        return current

    def _write(self, record: LabelRecord) -> LabelRecord:
        self._registry.set_label(record)
        return record


def active_version(ref: ModelRef, registry: Registry) -> VersionRecord:
    """Return the record of a version that a label may point to; raises ModelNotFound, VersionRetired."""
    record = registry.version(ref)
    if record is None:
        raise no_such_version(ref.name, registry)
    if record.retired is not None:
        raise retired(record)
    return record
