"""Publish an immutable model version."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from lambent.contracts.decoding import decode_json
from lambent.contracts.model import FileDigest, Forced, ModelContract, VersionManifest
from lambent.domain.card import CARD_FILE, read_card
from lambent.domain.contract_check import check_contract
from lambent.domain.model import CONTRACT_FILE, GOLDEN_FILES, MANIFEST_FILE, Change, ModelRef, VersionRecord, digest
from lambent.domain.names import check_name
from lambent.domain.preprocessing import make_preprocessor
from lambent.domain.signatures import ManifestSignature, signed_bytes
from lambent.errors import ModelContractMismatch, ModelFormatRefused, VersionImmutable
from lambent.ports import Clock, ObjectStore, Registry, Signer
from lambent.services.change import change_of
from lambent.services.golden import GoldenVectors, check_declared, check_preprocessing

_TYPES = {".json": "application/json"}
_TRIES = 20


def publish_version(
    files: Mapping[str, bytes],
    contract: ModelContract,
    *,
    store: ObjectStore,
    registry: Registry,
    clock: Clock,
    version: int | None = None,
    signer: Signer | None = None,
    forced: Forced | None = None,
    by: str = "",
    why: str = "",
) -> VersionRecord:
    """Write a new version: files first, the manifest last and once, then the registry's row with the signature.

    Nobody sees anything of it before the row is there. What a publisher leaves that died or failed on its way is
    objects under the version's number without a row, which no reader ever asks for.

    Parameters
    ----------
    files     file name → bytes, without contract.json and manifest.json: at least one model file, golden vectors for
              each, and what the contract's preprocessing needs
    version   the number to take; the next free one if None
    signer    who signs the manifest; without one, the version is not served where keys are pinned
    forced    who publishes against failed checks, and why; goes into the manifest
    by, why   who publishes and why, for the registry's row

    Returns
    -------
    VersionRecord

    Raises
    ------
    NameInvalid             the contract's name is not allowed
    RequestInvalid          ``by`` or ``why`` is too long, or no single line
    ModelContractMismatch   the contract contradicts itself, or the golden vectors are missing or do not agree with it
    ModelFormatRefused      there is no model file, or card.md is no card
    VersionImmutable        the version exists, or somebody publishes it at this moment
    Unavailable
    """
    check_name(contract.name, what="model")
    check_contract(contract)
    _check_golden(files, contract)
    if CARD_FILE in files:
        read_card(files[CARD_FILE])
    change = change_of(clock, by=by, why=why)
    publication = _Publication(files, contract, store, registry, clock, signer, forced, change)
    if version is not None:
        return publication.publish(ModelRef(contract.name, version))
    first = _next_version(registry, contract.name)
    for number in range(first, first + _TRIES):
        # A number may be taken in the store but not in the registry: by a publisher at work, or by one that died.
        try:
            return publication.publish(ModelRef(contract.name, number))
        except VersionImmutable:
            continue
    raise VersionImmutable(f"Versions {first} to {first + _TRIES - 1} of {contract.name} are all taken.", got=first)


@dataclass(frozen=True)
class _Publication:
    files: Mapping[str, bytes]
    contract: ModelContract
    store: ObjectStore
    registry: Registry
    clock: Clock
    signer: Signer | None
    forced: Forced | None
    change: Change

    def publish(self, ref: ModelRef) -> VersionRecord:
        """Write everything under this number; raises VersionImmutable if it is taken."""
        if self.registry.version(ref) is not None:
            raise VersionImmutable(
                f"{ref} is already published; versions never change.", field="version", got=ref.version
            )
        everything = {**self.files, CONTRACT_FILE: msgspec.json.encode(self.contract)}
        wanted = _manifest(ref, everything, self.clock.now(), self.forced)
        for name, body in everything.items():
            _write_new(self.store, ref, name, body)
        manifest, body = _write_manifest(self.store, ref, wanted)
        signature = _sign(body, self.signer)
        record = VersionRecord(
            ref, digest(body), manifest.created_at, signature, by=self.change.by, why=self.change.why
        )
        self.registry.add_version(record)
        return record


def _sign(manifest: bytes, signer: Signer | None) -> ManifestSignature | None:
    if signer is None:
        return None
    return ManifestSignature(signer.key_id, b64encode(signer.sign(signed_bytes(manifest))).decode())


def _check_golden(files: Mapping[str, bytes], contract: ModelContract) -> None:
    """Check that every model file comes with golden vectors, and that preprocessing here agrees with them."""
    models = [name for name in GOLDEN_FILES if name in files]
    if not models:
        raise ModelFormatRefused(f"A version needs at least one of {', '.join(GOLDEN_FILES)}.", limit=[*GOLDEN_FILES])
    preprocessor = make_preprocessor(contract, files)
    for name in models:
        body = files.get(GOLDEN_FILES[name])
        if body is None:
            raise ModelContractMismatch(f"{name} needs golden vectors beside it, in {GOLDEN_FILES[name]}.")
        golden = GoldenVectors.from_npz(body)
        check_declared(golden, contract)
        check_preprocessing(golden, contract, preprocessor)


def _next_version(registry: Registry, name: str) -> int:
    versions = registry.versions(name)
    return versions[-1].ref.version + 1 if versions else 1


def _manifest(ref: ModelRef, files: Mapping[str, bytes], created_at: str, forced: Forced | None) -> VersionManifest:
    digests = {name: FileDigest(sha256=digest(body), size_bytes=len(body)) for name, body in sorted(files.items())}
    return VersionManifest(name=ref.name, version=ref.version, created_at=created_at, files=digests, forced=forced)


def _write_manifest(store: ObjectStore, ref: ModelRef, wanted: VersionManifest) -> tuple[VersionManifest, bytes]:
    body = msgspec.json.format(msgspec.json.encode(wanted))
    if store.write_once(ref.key(MANIFEST_FILE), body, content_type=_TYPES[".json"]):
        return wanted, body
    # A publisher of the very same files died between its manifest and the registry: finish its work.
    body = store.read(ref.key(MANIFEST_FILE)).body
    found = decode_json(body, VersionManifest, what="version manifest")
    if (found.files, found.forced) != (wanted.files, wanted.forced):
        raise _taken(ref)
    return found, body


def _taken(ref: ModelRef) -> VersionImmutable:
    return VersionImmutable(
        f"{ref} is taken by another publisher; publish under the next version.", field="version", got=ref.version
    )


def _write_new(store: ObjectStore, ref: ModelRef, name: str, body: bytes) -> None:
    ending = name[name.rfind(".") :]
    if store.write_once(ref.key(name), body, content_type=_TYPES.get(ending, "application/octet-stream")):
        return
    # The same bytes may lie there from a publisher that died before its manifest; then carry on in its place.
    if store.read(ref.key(name)).body != body:
        raise _taken(ref)
