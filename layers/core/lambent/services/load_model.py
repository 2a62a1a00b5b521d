"""Resolve a model name to a version and load it, verified, once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from lambent.contracts.decoding import decode_json
from lambent.contracts.model import ModelContract, TextPreprocessing, VersionManifest
from lambent.domain.model import (
    CONTRACT_FILE,
    LIVE,
    MANIFEST_FILE,
    TOKENIZER_FILE,
    ModelChoice,
    ModelRef,
    VersionRecord,
    digest,
)
from lambent.domain.names import check_name, parse_version
from lambent.domain.preprocessing import Preprocessor, make_preprocessor
from lambent.errors import ModelFormatRefused, ModelIntegrityFailed, ModelNotReady, SourceGone
from lambent.ports import Clock, Interpreter, InterpreterLoader, ObjectStore, Registry
from lambent.services.not_found import no_such_label, no_such_version

# Callers choose the names that are looked up: no more than this many are remembered.
_MOST_NAMES = 10_000


class ModelResolver:
    """Names and labels to versions; a label's target is remembered for ``label_ttl_s``."""

    def __init__(self, registry: Registry, clock: Clock, *, label_ttl_s: float) -> None:
        self._registry = registry
        self._clock = clock
        self._label_ttl_s = label_ttl_s
        self._labels: dict[tuple[str, str], tuple[float, ModelRef]] = {}
        self._served_until_s: dict[str, float] = {}

    def resolve(self, choice: ModelChoice, *, is_unloaded_allowed: bool = False) -> ModelRef:
        """Return the version that a choice names now.

        Raises
        ------
        NameInvalid, ModelNotFound, Unavailable
        ModelNotReady   an operator has unloaded the model, ``label_ttl_s`` ago or longer
        """
        check_name(choice.name, what="model")
        if not is_unloaded_allowed:
            self._check_served(choice.name)
        if choice.version is not None:
            return ModelRef(choice.name, parse_version(choice.version))
        label = check_name(choice.label or LIVE, what="label")
        known = self._labels.get((choice.name, label))
        if known is not None and self._clock.epoch_s() < known[0]:
            return known[1]
        return self._look_up(choice.name, label)

    def forget(self, name: str) -> None:
        """Look a model up again at the next call, because something about it was changed here."""
        self._served_until_s.pop(name, None)
        for known in [key for key in self._labels if key[0] == name]:
            del self._labels[known]

    def _check_served(self, name: str) -> None:
        now_s = self._clock.epoch_s()
        if now_s < self._served_until_s.get(name, 0.0):
            return
        unloaded_at = self._registry.unloaded_at(name)
        if unloaded_at is not None:
            raise ModelNotReady(
                f"An operator unloaded this model at {unloaded_at}; POST /v2/repository/models/{name}/load loads it.",
                field="model",
            )
        if len(self._served_until_s) >= _MOST_NAMES:
            self._served_until_s.clear()
        self._served_until_s[name] = now_s + self._label_ttl_s

    def _look_up(self, name: str, label: str) -> ModelRef:
        record = self._registry.label(name, label)
        if record is None:
            raise no_such_label(name, self._registry)
        ref = ModelRef(name, record.version)
        self._labels[(name, label)] = (self._clock.epoch_s() + self._label_ttl_s, ref)
        return ref


class VersionFiles:
    """A version's files, each verified against the manifest and the manifest against the registry."""

    def __init__(self, registry: Registry, store: ObjectStore) -> None:
        self._registry = registry
        self._store = store

    def record(self, ref: ModelRef) -> VersionRecord:
        """Return the registry's record; raises ModelNotFound."""
        record = self._registry.version(ref)
        if record is None:
            raise no_such_version(ref.name, self._registry)
        return record

    def manifest(self, ref: ModelRef) -> VersionManifest:
        """Return the verified manifest; raises ModelNotFound, ModelIntegrityFailed."""
        expected = self.record(ref).manifest_sha256
        body = self._read(ref, MANIFEST_FILE)
        if digest(body) != expected:
            raise _tampered(MANIFEST_FILE, expected, body)
        return decode_json(body, VersionManifest, what="version manifest")

    def file(self, ref: ModelRef, manifest: VersionManifest, name: str) -> bytes:
        """Return a verified file; raises ModelFormatRefused (the version has none), ModelIntegrityFailed."""
        entry = manifest.files.get(name)
        if entry is None:
            raise ModelFormatRefused(f"{ref} has no {name}.")
        body = self._read(ref, name)
        if digest(body) != entry.sha256:
            raise _tampered(name, entry.sha256, body)
        return body

    def contract(self, ref: ModelRef) -> ModelContract:
        """Return the verified contract."""
        return decode_contract(self.file(ref, self.manifest(ref), CONTRACT_FILE))

    def preprocessing(self, ref: ModelRef, manifest: VersionManifest) -> tuple[ModelContract, Preprocessor]:
        """Return the verified contract and the preprocessing that it declares, with its verified files."""
        contract = decode_contract(self.file(ref, manifest, CONTRACT_FILE))
        assets: dict[str, bytes] = {}
        if isinstance(contract.preprocessing, TextPreprocessing):
            assets[TOKENIZER_FILE] = self.file(ref, manifest, TOKENIZER_FILE)
        return contract, make_preprocessor(contract, assets)

    def _read(self, ref: ModelRef, name: str) -> bytes:
        try:
            return self._store.read(ref.key(name)).body
        except SourceGone as exc:
            raise ModelIntegrityFailed(f"{name} of {ref} is missing from the model store.") from exc


def decode_contract(body: bytes) -> ModelContract:
    """Decode contract.json; raises JsonInvalid, RequestInvalid."""
    return decode_json(body, ModelContract, what="contract")


def _tampered(name: str, expected: str, body: bytes) -> ModelIntegrityFailed:
    return ModelIntegrityFailed(
        f"{name} does not have the sha256 that was published.", limit=expected[:12], got=digest(body)[:12]
    )


@dataclass(frozen=True)
class ServedModel:
    """A version ready to answer."""

    ref: ModelRef
    contract: ModelContract
    interpreter: Interpreter
    preprocessor: Preprocessor
    size_bytes: int


class ModelCache:
    """Loaded versions, least recently used ones dropped beyond ``capacity_bytes`` of model files."""

    def __init__(self, files: VersionFiles, loader: InterpreterLoader, *, capacity_bytes: int) -> None:
        self._files = files
        self._loader = loader
        self._capacity_bytes = capacity_bytes
        self._models: OrderedDict[ModelRef, ServedModel] = OrderedDict()

    def get(self, ref: ModelRef) -> ServedModel:
        """Return the version, loading it first if need be; raises ModelNotFound, BrokenArtifact, Unavailable."""
        model = self._models.get(ref)
        if model is None:
            model = self._load(ref)
            self._models[ref] = model
            self._evict()
        self._models.move_to_end(ref)
        return model

    def _load(self, ref: ModelRef) -> ServedModel:
        manifest = self._files.manifest(ref)
        contract, preprocessor = self._files.preprocessing(ref, manifest)
        body = self._files.file(ref, manifest, self._loader.file)
        return ServedModel(ref, contract, self._loader.load(body, contract), preprocessor, len(body))

    def _evict(self) -> None:
        while len(self._models) > 1 and sum(model.size_bytes for model in self._models.values()) > self._capacity_bytes:
            self._models.popitem(last=False)
