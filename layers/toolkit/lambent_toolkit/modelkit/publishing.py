"""Publish to a running stack, by the same services that a deployment uses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from getpass import getuser

from lambent.adapters.dynamodb_registry import DynamoRegistry
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.s3 import S3ObjectStore
from lambent.contracts.model import Forced, ModelContract
from lambent.domain.model import LabelRecord, VersionRecord
from lambent.ports import Signer
from lambent.runtime.clock import SystemClock
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.stacks.stack import Stack


class Publisher:
    """The registry and the models bucket of one stack.

    Parameters
    ----------
    stack
    signer   signs what is published; without one it is not signed
    by       who publishes: the user of this machine unless told otherwise
    """

    def __init__(self, stack: Stack, *, signer: Signer | None = None, by: str | None = None) -> None:
        self._stack = stack
        self._signer = signer
        self._by = getuser() if by is None else by
        self._clock = SystemClock()

    @cached_property
    def registry(self) -> DynamoRegistry:
        """The stack's registry."""
        return DynamoRegistry(DynamoTable(self._stack.client("dynamodb"), self._stack.table))

    def publish(self, artifact: Artifact, *, forced: Forced | None = None, why: str = "") -> VersionRecord:
        """Publish as the next version what has passed the gate, or was forced through it; see `gate.open_gate`.

        Raises
        ------
        VersionImmutable   somebody else took the number
        Unavailable
        """
        return self.publish_files(artifact.files, artifact.contract, forced=forced, why=why)

    def publish_files(
        self, files: Mapping[str, bytes], contract: ModelContract, *, forced: Forced | None = None, why: str = ""
    ) -> VersionRecord:
        """Publish files by name, see `publish_version`, as the next version.

        No gate is asked, and none could be: there need be no report. Whoever serves the version still proves it when
        it is first loaded.
        """
        store = S3ObjectStore(self._stack.client("s3"), self._stack.buckets["models"], what="model store")
        return publish_version(
            files,
            contract,
            store=store,
            registry=self.registry,
            clock=self._clock,
            signer=self._signer,
            forced=forced,
            by=self._by,
            why=why,
        )

    def set_label(self, name: str, label: str, version: int) -> LabelRecord:
        """Point a label to a published version; raises ModelNotFound, AliasConflict, Unavailable."""
        return set_label(name, label, version, registry=self.registry, clock=self._clock, by=self._by)
