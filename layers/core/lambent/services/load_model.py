"""Resolve a model name to a version and load it, verified, once."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from dataclasses import dataclass

from lambent.contracts.model import ModelContract
from lambent.domain.model import LIVE, ModelChoice, ModelRef
from lambent.domain.names import check_name, parse_version
from lambent.domain.preprocessing import Preprocessor
from lambent.errors import BrokenArtifact, ModelNotReady
from lambent.ports import Clock, Interpreter, InterpreterLoader, Registry
from lambent.services.not_found import no_such_label
from lambent.services.version_files import VersionFiles, manifest_entry

# Callers choose the names that are looked up: no more than this many are remembered.
_MOST_NAMES = 10_000
REFUSAL_TTL_S = 30.0


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


@dataclass(frozen=True)
class ServedModel:
    """A version ready to answer."""

    ref: ModelRef
    contract: ModelContract
    interpreter: Interpreter
    preprocessor: Preprocessor
    size_bytes: int


class ModelCache:
    """Loaded versions, least recently used ones dropped beyond ``capacity_bytes`` of model files.

    A version is verified when it is first loaded: the files by their digests, preprocessing and outputs by its golden
    vectors. One that fails is refused, and not fetched again for `REFUSAL_TTL_S`.
    """

    def __init__(self, files: VersionFiles, loader: InterpreterLoader, clock: Clock, *, capacity_bytes: int) -> None:
        self._files = files
        self._loader = loader
        self._clock = clock
        self._capacity_bytes = capacity_bytes
        self._models: OrderedDict[ModelRef, ServedModel] = OrderedDict()
        self._refusals: dict[ModelRef, tuple[float, BrokenArtifact]] = {}

    def get(self, ref: ModelRef) -> ServedModel:
        """Return the version, loading it first if need be; raises ModelNotFound, BrokenArtifact, Unavailable."""
        model = self._models.get(ref)
        if model is None:
            model = self._models[ref] = self._load_unless_refused(ref)
        self._models.move_to_end(ref)
        return model

    def _load_unless_refused(self, ref: ModelRef) -> ServedModel:
        until_s, refusal = self._refusals.get(ref, (0.0, None))
        if refusal is not None and self._clock.epoch_s() < until_s:
            # A copy: an exception that is raised again and again would collect the traces of all calls.
            raise copy(refusal)
        try:
            return self._load(ref)
        except BrokenArtifact as error:
            self._refusals[ref] = (self._clock.epoch_s() + REFUSAL_TTL_S, copy(error))
            raise

    def _load(self, ref: ModelRef) -> ServedModel:
        from lambent.services.golden import verify_first_load  # NumPy, which the functions without tensors do not have

        manifest, file = self._files.manifest(ref), self._loader.file
        size_bytes = manifest_entry(ref, manifest, file).size_bytes
        contract, preprocessor = self._files.preprocessing(ref, manifest)
        golden = self._files.golden(ref, manifest, file)
        self._make_room(size_bytes)
        with self._files.model(ref, manifest, file) as path:
            interpreter = self._loader.load(path, contract)
        verify_first_load(golden, contract, preprocessor, interpreter)
        return ServedModel(ref, contract, interpreter, preprocessor, size_bytes)

    def _make_room(self, size_bytes: int) -> None:
        """Drop models until one more of this size fits, or none is left; before its file takes up storage."""
        while self._models and self._loaded_bytes() + size_bytes > self._capacity_bytes:
            self._models.popitem(last=False)

    def _loaded_bytes(self) -> int:
        return sum(model.size_bytes for model in self._models.values())
