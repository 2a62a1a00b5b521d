"""What is told of a model and of each of its versions: its card, its files, who published it."""

from __future__ import annotations

from typing import Any, NamedTuple

from lambent.contracts.model import VersionManifest
from lambent.contracts.versions import CardView, ChangeView, FileView, VersionView
from lambent.domain.card import CARD_FILE, check_card_size, read_card
from lambent.domain.model import LIVE, Change, ModelChoice, ModelRef, VersionRecord, VersionState
from lambent.errors import BrokenArtifact, CardNotFound, ModelNotFound
from lambent.ports import Registry
from lambent.services.describe import DescribeService
from lambent.services.version_files import VersionFiles


class Card(NamedTuple):
    """The card of a version, as Markdown."""

    ref: ModelRef
    markdown: str


class ShowVersionService:
    """Reads the registry, and of the files of versions the manifest and the card, both verified."""

    def __init__(self, registry: Registry, files: VersionFiles) -> None:
        self._registry = registry
        self._files = files
        self._describe = DescribeService(registry)

    def model(self, name: str) -> dict[str, Any]:
        """Return a model's versions and labels, with the card of its live version, null if there is none.

        Raises
        ------
        NameInvalid, ModelNotFound, Unavailable
        """
        described, live = self._describe.model(name), self._registry.label(name, LIVE)
        # Versions and labels are told whatever state the files are in: they say what to go back to.
        card = None if live is None else self._card_view(ModelRef(name, live.version))
        return {**described, "card": card}

    def version(self, name: str, version: str) -> VersionView:
        """Return one version.

        Raises
        ------
        NameInvalid, ModelNotFound   also if its files were removed
        BrokenArtifact               its manifest is not what was published, or not signed by a pinned key
        Unavailable
        """
        ref = self._describe.ref(ModelChoice(name, version=version))
        record, manifest = self._files.record(ref), self._files.manifest(ref)
        labels = [label.label for label in self._registry.labels(name) if ref.version in label.versions]
        return _view(record, manifest, labels=labels, card=self._card_view(ref, manifest))

    def card(self, choice: ModelChoice) -> Card:
        """Return the card of the version that a choice names, of a label the stable one.

        Raises
        ------
        NameInvalid, ModelNotFound
        CardNotFound                 it was published without one
        BrokenArtifact               manifest or card is not what was published, not signed by a pinned key, no text
        Unavailable
        """
        ref = self._describe.ref(choice)
        return Card(ref, self._read(ref, self._files.manifest(ref)))

    def _card_view(self, ref: ModelRef, manifest: VersionManifest | None = None) -> CardView:
        version = str(ref.version)
        try:
            return CardView(version=version, markdown=self._read(ref, manifest or self._files.manifest(ref)))
        except (CardNotFound, ModelNotFound, BrokenArtifact) as error:
            return CardView(version=version, error=error.to_dict())

    def _read(self, ref: ModelRef, manifest: VersionManifest) -> str:
        if CARD_FILE not in manifest.files:
            raise CardNotFound(
                f"{ref} was published without a model card. Put a {CARD_FILE} into its folder and publish that as the "
                f"next version; `lambent show {ref}` draws one from the contract alone."
            )
        with self._files.telling(ref):
            check_card_size(manifest.files[CARD_FILE].size_bytes)
        body = self._files.file(ref, manifest, CARD_FILE)
        with self._files.telling(ref):
            return read_card(body)


def _view(record: VersionRecord, manifest: VersionManifest, *, labels: list[str], card: CardView) -> VersionView:
    files = manifest.files.items()
    return VersionView(
        name=record.ref.name,
        version=str(record.ref.version),
        state="active" if record.state is VersionState.ACTIVE else "retired",
        labels=labels,
        published=ChangeView(at=record.created_at, by=record.by, why=record.why),
        retired=_change(record.retired),
        signed_by=record.signature.key_id if record.signature is not None else None,
        manifest_sha256=record.manifest_sha256,
        files=[FileView(name=name, size_bytes=each.size_bytes, sha256=each.sha256) for name, each in files],
        card=card,
    )


def _change(change: Change | None) -> ChangeView | None:
    return None if change is None else ChangeView(at=change.at, by=change.by, why=change.why)
