"""Remove the files of versions that were retired long ago, and what publishers that died have left."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Literal

from lambent.domain.model import MANIFEST_FILE, Change, ModelRef, VersionRecord, VersionState
from lambent.domain.names import is_name
from lambent.domain.timestamps import to_timestamp
from lambent.errors import VersionImmutable, VersionInUse
from lambent.ports import Clock, JobStore, ListedObject, ObjectStore, Registry
from lambent.services.change import change_of
from lambent.services.retire import check_unused

_VERSION_KEY = re.compile(r"(?P<name>[^/]+)/(?P<version>[1-9][0-9]{0,8})/.+", re.DOTALL)
_DAY_S = 86_400.0
# Messages wait on a queue for up to four days, and an upload's names the version that preprocessed it.
SHORTEST_RETIREMENT_DAYS = 7
LEFTOVER_AFTER_S = _DAY_S


@dataclass(frozen=True)
class Garbage:
    """The objects of one version that nobody needs.

    ``kind``: ``retired`` long enough ago; ``removed`` already, but not to the end; ``unpublished``, without a row.
    """

    ref: ModelRef
    kind: Literal["retired", "removed", "unpublished"]
    objects: tuple[ListedObject, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all objects."""
        return sum(each.size_bytes for each in self.objects)


class GarbageCollector:
    """The models bucket against the registry."""

    def __init__(
        self, *, store: ObjectStore, registry: Registry, jobs: JobStore, clock: Clock, retired_for_days: float
    ) -> None:
        self._store = store
        self._registry = registry
        self._jobs = jobs
        self._clock = clock
        self._retired_before = to_timestamp(clock.epoch_s() - retired_for_days * _DAY_S)

    def find(self) -> list[Garbage]:
        """Return what can go, by model and number; never a version that a label or an open job uses."""
        found = [self._judge(ref, objects) for ref, objects in self._by_version().items()]
        return sorted((each for each in found if each is not None), key=lambda each: (each.ref.name, each.ref.version))

    def remove(self, garbage: Garbage, *, by: str = "", why: str = "") -> bool:
        """Remove the objects of one version; return False if somebody has come to need it since it was found.

        The row is marked first, so that nobody loads or publishes under this number any more; then the manifest goes,
        without which the rest is no version; then the rest. A crash in between leaves a marked row with objects, which
        the next run finds as ``removed``.
        """
        change = change_of(self._clock, by=by, why=why)
        if garbage.kind == "retired" and not self._mark(garbage.ref, change):
            return False
        if garbage.kind == "unpublished" and not self._claim(garbage.ref, change):
            return False
        manifest = garbage.ref.key(MANIFEST_FILE)
        for each in sorted(garbage.objects, key=lambda each: each.key != manifest):
            self._store.delete(each.key)
        return True

    def _by_version(self) -> dict[ModelRef, list[ListedObject]]:
        found: dict[ModelRef, list[ListedObject]] = defaultdict(list)
        for each in self._store.listing(""):
            ref = _ref_of(each.key)
            if ref is not None:
                found[ref].append(each)
        return found

    def _judge(self, ref: ModelRef, objects: list[ListedObject]) -> Garbage | None:
        record = self._registry.version(ref)
        if record is None:
            is_old = max(each.written_at_s for each in objects) < self._clock.epoch_s() - LEFTOVER_AFTER_S
            return Garbage(ref, "unpublished", tuple(objects)) if is_old else None
        if record.state is VersionState.REMOVED:
            return Garbage(ref, "removed", tuple(objects))
        if record.retired is None or record.retired.at > self._retired_before or not self._is_unused(ref):
            return None
        return Garbage(ref, "retired", tuple(objects))

    def _is_unused(self, ref: ModelRef) -> bool:
        try:
            check_unused(ref, registry=self._registry, jobs=self._jobs)
        except VersionInUse:
            return False
        return True

    def _mark(self, ref: ModelRef, change: Change) -> bool:
        return self._is_unused(ref) and self._registry.remove_version(ref, change)

    def _claim(self, ref: ModelRef, change: Change) -> bool:
        """Take the number away from a publisher that comes back to finish its work: it gets the next one."""
        claimed = VersionRecord(ref, "", change.at)
        try:
            self._registry.add_version(replace(claimed, retired=change, removed=change))
        except VersionImmutable:
            return False
        return True


def _ref_of(key: str) -> ModelRef | None:
    """Return the version that an object belongs to; None for one that lies elsewhere, which is not ours."""
    found = _VERSION_KEY.fullmatch(key)
    return ModelRef(found["name"], int(found["version"])) if found and is_name(found["name"]) else None
