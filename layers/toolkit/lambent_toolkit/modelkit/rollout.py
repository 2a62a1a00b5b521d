"""What an operator does with published versions: labels, canaries, retirement, clearing up."""

from __future__ import annotations

from functools import cached_property
from getpass import getuser
from typing import TYPE_CHECKING

from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_registry import DynamoRegistry
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.s3 import S3ObjectStore
from lambent.domain.model import LabelMove, LabelRecord, ModelRef, VersionRecord
from lambent.domain.names import check_name
from lambent.domain.rollout import history_of
from lambent.runtime.clock import SystemClock
from lambent.services.collect_garbage import SHORTEST_RETIREMENT_DAYS, Garbage, GarbageCollector
from lambent.services.move_label import LabelMover
from lambent.services.not_found import no_such_label
from lambent.services.retire import retire
from lambent.services.set_label import set_label
from lambent.services.version_files import VersionFiles
from lambent_toolkit.modelkit.pinned_keys import check_servable, pinned_keys
from lambent_toolkit.modelkit.version_diff import NobodyServes, VersionDiff, compare_versions

if TYPE_CHECKING:
    from lambent_toolkit.stacks.stack import Stack


class Rollout:
    """The registry of one stack, in the name of ``by``: the user of this machine unless told otherwise.

    What each method may raise is said in the service that it calls.
    """

    def __init__(self, stack: Stack, *, by: str | None = None) -> None:
        self._stack = stack
        self._clock = SystemClock()
        self._by = getuser() if by is None else by

    @cached_property
    def registry(self) -> DynamoRegistry:
        """The stack's registry."""
        return DynamoRegistry(self._table)

    @cached_property
    def files(self) -> VersionFiles:
        """The versions' files, verified."""
        return VersionFiles(self.registry, self._store, NobodyServes())

    @cached_property
    def _table(self) -> DynamoTable:
        return DynamoTable(self._stack.client("dynamodb"), self._stack.table)

    @cached_property
    def _store(self) -> S3ObjectStore:
        return S3ObjectStore(self._stack.client("s3"), self._stack.buckets["models"], what="model store")

    def check_servable(self, name: str, version: int) -> None:
        """Check that this stack would serve a version, before a label or a canary sends it requests.

        Not for a promotion, whose version was checked as a canary, and never in the way of a rollback; see
        `modelkit.pinned_keys.check_servable`.
        """
        ref = ModelRef(check_name(name, what="model"), version)
        check_servable(ref, registry=self.registry, store=self._store, verifier=pinned_keys(self._stack))

    def _mover(self, name: str, label: str, why: str, revision: int | None) -> LabelMover:
        return LabelMover(
            name, label, registry=self.registry, clock=self._clock, by=self._by, why=why, revision=revision
        )

    def set_label(
        self, name: str, label: str, version: int, *, why: str = "", revision: int | None = None
    ) -> LabelRecord:
        """Point a label to a version, which ends its canary; see `lambent.services.set_label`."""
        return set_label(
            name,
            label,
            version,
            registry=self.registry,
            clock=self._clock,
            by=self._by,
            why=why,
            revision=revision,
        )

    def start_canary(
        self, name: str, label: str, version: int, weight_bp: int, *, why: str = "", revision: int | None = None
    ) -> LabelRecord:
        """Let a version answer some of a label's requests; see `LabelMover.start_canary`."""
        return self._mover(name, label, why, revision).start_canary(version, weight_bp)

    def promote(self, name: str, label: str, *, why: str = "", revision: int | None = None) -> LabelRecord:
        """Make a label's canary its stable version; see `LabelMover.promote`."""
        return self._mover(name, label, why, revision).promote()

    def rollback(self, name: str, label: str, *, why: str = "", revision: int | None = None) -> LabelRecord:
        """Take a label's latest step back; see `LabelMover.rollback`."""
        return self._mover(name, label, why, revision).rollback()

    def history(self, name: str, label: str) -> tuple[LabelMove, ...]:
        """Return a label's latest moves, oldest first; raises ModelNotFound."""
        record = self.registry.label(check_name(name, what="model"), check_name(label, what="label"))
        if record is None:
            raise no_such_label(name, self.registry)
        return history_of(record)

    def retire(self, ref: ModelRef, *, why: str = "") -> VersionRecord:
        """Retire a version that nobody uses; see `lambent.services.retire`."""
        jobs = DynamoJobStore(self._table)
        return retire(ref, registry=self.registry, jobs=jobs, clock=self._clock, by=self._by, why=why)

    def garbage(self, *, retired_for_days: int = SHORTEST_RETIREMENT_DAYS) -> list[Garbage]:
        """Return what may be removed from the models bucket; see `GarbageCollector.find`."""
        return self._collector(retired_for_days).find()

    def remove(
        self, garbage: Garbage, *, retired_for_days: int = SHORTEST_RETIREMENT_DAYS, why: str = "garbage"
    ) -> bool:
        """Remove one version's objects; see `GarbageCollector.remove`."""
        return self._collector(retired_for_days).remove(garbage, by=self._by, why=why)

    def _collector(self, retired_for_days: int) -> GarbageCollector:
        return GarbageCollector(
            store=self._store,
            registry=self.registry,
            jobs=DynamoJobStore(self._table),
            clock=self._clock,
            retired_for_days=retired_for_days,
        )

    def diff(self, name: str, first: int, second: int) -> VersionDiff:
        """Compare two versions; see `compare_versions`."""
        refs = ModelRef(check_name(name, what="model"), first), ModelRef(name, second)
        return compare_versions(*refs, registry=self.registry, store=self._store)
