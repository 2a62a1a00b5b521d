"""The files of a version, verified before anything parses them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from lambent.contracts.decoding import decode_json
from lambent.contracts.model import FileDigest, ModelContract, TextPreprocessing, VersionManifest
from lambent.contracts.throughput import VersionThroughput
from lambent.domain.model import (
    CONTRACT_FILE,
    GOLDEN_FILES,
    MANIFEST_FILE,
    THROUGHPUT_FILE,
    TOKENIZER_FILE,
    ModelRef,
    VersionRecord,
    digest,
)
from lambent.domain.preprocessing import Preprocessor, make_preprocessor
from lambent.errors import (
    BrokenArtifact,
    InvalidInput,
    ModelFormatRefused,
    ModelIntegrityFailed,
    PayloadTooLarge,
    SourceGone,
    Unavailable,
)
from lambent.ports import Audit, ObjectStore, Registry
from lambent.services.check_signature import SignatureCheck
from lambent.services.not_found import no_such_version, removed_version

if TYPE_CHECKING:
    from lambent.services.golden import GoldenVectors

T = TypeVar("T")
# Of a dozen files 2 KB; a version has fewer.
_MOST_MANIFEST_BYTES = 65_536


class VersionFiles:
    """A version's files, each verified against the manifest and the manifest against the registry.

    Where ``signatures`` are checked, the registry and the store need not be trusted: a pinned key signed the manifest.
    Every refusal is told to ``audit``.
    """

    def __init__(
        self, registry: Registry, store: ObjectStore, audit: Audit, signatures: SignatureCheck | None = None
    ) -> None:
        self._registry = registry
        self._store = store
        self._audit = audit
        self._signatures = signatures

    def record(self, ref: ModelRef) -> VersionRecord:
        """Return the registry's record; raises ModelNotFound."""
        record = self._registry.version(ref)
        if record is None:
            raise no_such_version(ref.name, self._registry)
        if record.removed is not None:
            raise removed_version(record)
        return record

    def manifest(self, ref: ModelRef) -> VersionManifest:
        """Return the verified manifest.

        Raises
        ------
        ModelNotFound
        ModelIntegrityFailed    it is not what the registry says, or not of this version
        ModelSignatureInvalid   no pinned key signed it
        ModelFormatRefused
        """
        record = self.record(ref)
        with self.telling(ref):
            body = self._read(ref, MANIFEST_FILE, max_bytes=_MOST_MANIFEST_BYTES)
            if digest(body) != record.manifest_sha256:
                raise _tampered(MANIFEST_FILE, record.manifest_sha256, digest(body))
            if self._signatures is not None:
                self._signatures.check(record, body)
            manifest = _decode_published(body, VersionManifest, what="version manifest")
            _check_is_of(manifest, ref)
        return manifest

    def file(self, ref: ModelRef, manifest: VersionManifest, name: str) -> bytes:
        """Return a verified file; raises ModelFormatRefused (the version has none), ModelIntegrityFailed."""
        entry = manifest_entry(ref, manifest, name)
        with self.telling(ref):
            body = self._read(ref, name, max_bytes=entry.size_bytes)
            if digest(body) != entry.sha256:
                raise _tampered(name, entry.sha256, digest(body))
        return body

    @contextmanager
    def model(self, ref: ModelRef, manifest: VersionManifest, name: str) -> Iterator[Path]:
        """Lend the path of a verified model file, which is written to scratch storage and never held in memory.

        The file has no name there: it is gone when the block ends and nobody has it mapped any more, and also when the
        process is killed half-way. So nothing is ever left over, and processes cannot get in each other's way.

        Raises
        ------
        ModelFormatRefused     the version has no such file
        ModelIntegrityFailed   its size or sha256 is not the manifest's, or it is missing from the store
        Unavailable            the store failed, or scratch storage has no room for it
        """
        entry = manifest_entry(ref, manifest, name)
        with TemporaryFile() as scratch:
            with self.telling(ref):
                self._download(ref, name, entry, scratch)
            yield Path(f"/proc/self/fd/{scratch.fileno()}")

    def contract(self, ref: ModelRef) -> ModelContract:
        """Return the verified contract."""
        return self._contract(ref, self.manifest(ref))

    def preprocessing(self, ref: ModelRef, manifest: VersionManifest) -> tuple[ModelContract, Preprocessor]:
        """Return the verified contract and the preprocessing that it declares, with its verified files."""
        contract = self._contract(ref, manifest)
        assets: dict[str, bytes] = {}
        if isinstance(contract.preprocessing, TextPreprocessing):
            assets[TOKENIZER_FILE] = self.file(ref, manifest, TOKENIZER_FILE)
        return contract, make_preprocessor(contract, assets)

    def throughput(self, ref: ModelRef, manifest: VersionManifest) -> VersionThroughput | None:
        """Return how fast a version was where it was made; None for one that nobody measured."""
        if THROUGHPUT_FILE not in manifest.files:
            return None
        return _decode_published(self.file(ref, manifest, THROUGHPUT_FILE), VersionThroughput, what=THROUGHPUT_FILE)

    def golden(self, ref: ModelRef, manifest: VersionManifest, model_file: str) -> GoldenVectors:
        """Return the verified golden vectors of one of the version's model files.

        Raises
        ------
        ModelFormatRefused      the version has none
        ModelIntegrityFailed
        ModelContractMismatch   they cannot be read
        """
        from lambent.services.golden import GoldenVectors  # NumPy, which the functions without tensors do not have

        return GoldenVectors.from_npz(self.file(ref, manifest, GOLDEN_FILES[model_file]))

    @contextmanager
    def telling(self, ref: ModelRef) -> Iterator[None]:
        """Tell the audit if a block refuses the version; it raises what the block raises."""
        try:
            yield
        except BrokenArtifact as error:
            self._audit.refused(ref, error)
            raise

    def _contract(self, ref: ModelRef, manifest: VersionManifest) -> ModelContract:
        return _decode_published(self.file(ref, manifest, CONTRACT_FILE), ModelContract, what="contract")

    def _read(self, ref: ModelRef, name: str, *, max_bytes: int) -> bytes:
        try:
            return self._store.read(ref.key(name), max_bytes=max_bytes).body
        except SourceGone as exc:
            raise _missing(ref, name) from exc
        except PayloadTooLarge as exc:
            raise _too_large(name, exc) from exc

    def _download(self, ref: ModelRef, name: str, entry: FileDigest, file: BinaryIO) -> None:
        try:
            found = self._store.download(ref.key(name), file, max_bytes=entry.size_bytes)
            file.flush()
        except SourceGone as exc:
            raise _missing(ref, name) from exc
        except PayloadTooLarge as exc:
            raise _too_large(name, exc) from exc
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
            raise Unavailable(
                "The function's scratch storage has no room for the model file; the stack's parameter ScratchStorage "
                "gives it more.",
                got=entry.size_bytes,
            ) from exc
        if found.sha256 != entry.sha256:
            raise _tampered(name, entry.sha256, found.sha256)


def decode_contract(body: bytes) -> ModelContract:
    """Decode contract.json; raises JsonInvalid, RequestInvalid."""
    return decode_json(body, ModelContract, what="contract")


def _decode_published(body: bytes, type_: type[T], *, what: str) -> T:
    try:
        return decode_json(body, type_, what=what)
    except InvalidInput as exc:
        # It is what was published, so the caller has done nothing wrong: most likely a newer release published it.
        raise ModelFormatRefused(f"This release cannot read what was published. {exc.detail}", field=exc.field) from exc


def manifest_entry(ref: ModelRef, manifest: VersionManifest, name: str) -> FileDigest:
    """Return what the manifest says of a file; raises ModelFormatRefused (the version has none)."""
    entry = manifest.files.get(name)
    if entry is None:
        raise ModelFormatRefused(f"{ref} has no {name}.")
    return entry


def _check_is_of(manifest: VersionManifest, ref: ModelRef) -> None:
    """Check that a manifest is not that of another version, replayed under this one's name or number."""
    stated = ModelRef(manifest.name, manifest.version)
    if stated != ref:
        raise ModelIntegrityFailed(
            f"What lies under {ref} was published as {stated}.", field="version", limit=str(ref), got=str(stated)
        )


def _missing(ref: ModelRef, name: str) -> ModelIntegrityFailed:
    return ModelIntegrityFailed(f"{name} of {ref} is missing from the model store.")


def _too_large(name: str, exc: PayloadTooLarge) -> ModelIntegrityFailed:
    return ModelIntegrityFailed(f"{name} is larger than what was published.", limit=exc.limit, got=exc.got)


def _tampered(name: str, expected: str, got: str) -> ModelIntegrityFailed:
    return ModelIntegrityFailed(
        f"{name} does not have the sha256 that was published.", limit=expected[:12], got=got[:12]
    )
