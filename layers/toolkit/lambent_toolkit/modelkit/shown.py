"""A published version as a person looks at it: its card, its files, who published it and what points to it."""

from __future__ import annotations

from dataclasses import dataclass

from lambent.contracts.model import ModelContract, VersionManifest
from lambent.domain.card import CARD_FILE, read_card
from lambent.domain.model import LabelRecord, ModelChoice, VersionRecord
from lambent.errors import NameInvalid
from lambent.ports import Registry
from lambent.services.describe import DescribeService
from lambent.services.version_files import VersionFiles
from lambent_toolkit.modelkit.card import model_card


@dataclass(frozen=True)
class Shown:
    """One version.

    Parameters
    ----------
    record     the registry's: when, by whom, why
    labels     of the model
    manifest   verified against the registry
    contract   verified
    card       Markdown: what was published, or, where none was, one drawn from the contract alone
    """

    record: VersionRecord
    labels: list[LabelRecord]
    manifest: VersionManifest
    contract: ModelContract
    card: str


def parse_choice(text: str) -> ModelChoice:
    """Return what ``MODEL``, ``MODEL@7`` or ``MODEL@label`` names; MODEL alone is its label live.

    Raises
    ------
    NameInvalid   nothing stands behind the @
    """
    name, at, which = text.partition("@")
    if at and not which:
        raise NameInvalid(f"{text} names no version: write {name}@7, {name}@live, or {name} alone.", field="version")
    if which.isdigit():
        return ModelChoice(name, version=which)
    return ModelChoice(name, label=which or None)


def show_version(choice: ModelChoice, *, registry: Registry, files: VersionFiles) -> Shown:
    """Read a version with its card.

    Raises
    ------
    NameInvalid, ModelNotFound
    BrokenArtifact               a file is not what was published
    Unavailable
    """
    ref = DescribeService(registry).ref(choice)
    manifest = files.manifest(ref)
    contract = files.contract(ref)
    has_card = CARD_FILE in manifest.files
    card = read_card(files.file(ref, manifest, CARD_FILE)) if has_card else model_card(contract, files=manifest.files)
    return Shown(files.record(ref), registry.labels(ref.name), manifest, contract, card)
