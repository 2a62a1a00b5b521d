"""Resolve a model name to a version and load it, verified, once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lambent.contracts.model import ModelContract
from lambent.domain.lengths import free_dimensions
from lambent.domain.model import LIVE, Canary, ModelChoice, ModelRef, Target
from lambent.domain.names import check_name, parse_version
from lambent.domain.preprocessing import Preprocessor
from lambent.domain.rollout import gets_canary
from lambent.errors import BrokenArtifact, ModelLoadFailed, ModelNotReady, ProcessingCrashed
from lambent.ports import Clock, Interpreter, InterpreterLoader, Registry, Rehearsal
from lambent.services.not_found import no_such_label
from lambent.services.version_files import VersionFiles, manifest_entry

if TYPE_CHECKING:
    from lambent.services.golden import GoldenVectors

# Callers choose the names that are looked up: no more than this many are remembered.
_MOST_NAMES = 10_000
REFUSAL_TTL_S = 30.0


@dataclass(frozen=True, slots=True)
class _KnownLabel:
    """A label as it was read, good until ``until_s``; ``canary`` and what it leads to are None without one."""

    until_s: float
    stable: Target
    canary: Canary | None = None
    canary_target: Target | None = None

    def target(self, label: str, routing_key: Callable[[], str] | None) -> Target:
        """Return where one request goes; without a key to the stable version."""
        if self.canary is None or self.canary_target is None or routing_key is None:
            return self.stable
        is_canary = gets_canary(self.stable.ref.name, label, self.canary, routing_key())
        return self.canary_target if is_canary else self.stable


class ModelResolver:
    """Names and labels to versions; a label is remembered for ``label_ttl_s``.

    So a moved label reaches every process that has one of these within ``label_ttl_s``.
    """

    def __init__(self, registry: Registry, clock: Clock, *, label_ttl_s: float) -> None:
        self._registry = registry
        self._clock = clock
        self._label_ttl_s = label_ttl_s
        self._labels: dict[tuple[str, str], _KnownLabel] = {}
        self._served_until_s: dict[str, float] = {}

    def resolve(self, choice: ModelChoice, *, is_unloaded_allowed: bool = False) -> ModelRef:
        """Return the version that a choice names now, of a label the stable one; raises as `target`."""
        return self.target(choice, is_unloaded_allowed=is_unloaded_allowed).ref

    def target(
        self,
        choice: ModelChoice,
        routing_key: Callable[[], str] | None = None,
        *,
        is_unloaded_allowed: bool = False,
    ) -> Target:
        """Return the version that answers a request for a choice.

        Parameters
        ----------
        routing_key   decides between the stable version and the canary, see `domain.rollout`; it is called only for a
                      label that has a canary. Without one the stable version answers.

        Raises
        ------
        NameInvalid, ModelNotFound, Unavailable
        ModelNotReady   an operator has unloaded the model, ``label_ttl_s`` ago or longer
        """
        check_name(choice.name, what="model")
        if not is_unloaded_allowed:
            self._check_served(choice.name)
        if choice.version is not None:
            return Target(ModelRef(choice.name, parse_version(choice.version)), choice.is_canary)
        label = check_name(choice.label or LIVE, what="label")
        known = self._labels.get((choice.name, label))
        if known is None or self._clock.epoch_s() >= known.until_s:
            known = self._look_up(choice.name, label)
        return known.stable if known.canary is None else known.target(label, routing_key)

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

    def _look_up(self, name: str, label: str) -> _KnownLabel:
        record = self._registry.label(name, label)
        if record is None:
            raise no_such_label(name, self._registry)
        until_s, stable = self._clock.epoch_s() + self._label_ttl_s, ModelRef(name, record.version)
        if record.canary is None:
            known = _KnownLabel(until_s, Target(stable))
        else:
            canary = Target(ModelRef(name, record.canary.version), is_canary=True)
            known = _KnownLabel(until_s, Target(stable, is_canary=False), record.canary, canary)
        self._labels[name, label] = known
        return known


@dataclass(frozen=True)
class ServedModel:
    """A version ready to answer; ``proof_s`` is what its golden vectors took when it was loaded here."""

    ref: ModelRef
    contract: ModelContract
    interpreter: Interpreter
    preprocessor: Preprocessor
    size_bytes: int
    proof_s: float = 0.0


class Models(Protocol):
    """Where services get versions from."""

    def get(self, ref: ModelRef) -> ServedModel:
        """Return the version, loading it first if need be; raises ModelNotFound, BrokenArtifact, Unavailable."""
        ...


class ModelCache:
    """Loaded versions, least recently used ones dropped beyond ``capacity_bytes`` of model files.

    A version is verified when it is first loaded: the files by their digests, preprocessing and outputs by its golden
    vectors. One that fails is refused, and not fetched again for `REFUSAL_TTL_S`. With a ``rehearsal``, loading and
    answering is tried out there first, so that a file which the interpreter does not survive is refused too. With a
    loader of interpreters ``apart``, models of free length run each new shape there first, see `services.new_shapes`.
    """

    def __init__(
        self,
        files: VersionFiles,
        loader: InterpreterLoader,
        clock: Clock,
        *,
        capacity_bytes: int,
        rehearsal: Rehearsal | None = None,
        apart: InterpreterLoader | None = None,
    ) -> None:
        self._files = files
        self._loader = loader
        self._clock = clock
        self._capacity_bytes = capacity_bytes
        self._rehearsal = rehearsal
        self._apart = apart
        self._models: OrderedDict[ModelRef, ServedModel] = OrderedDict()
        self._refusals: dict[ModelRef, tuple[float, BrokenArtifact]] = {}

    def get(self, ref: ModelRef) -> ServedModel:
        """Return the version, loading it first if need be; raises ModelNotFound, BrokenArtifact, Unavailable."""
        model = self._models.get(ref)
        if model is None:
            model = self._models[ref] = self._load_unless_refused(ref)
        self._models.move_to_end(ref)
        return model

    def drop(self) -> None:
        """Drop all loaded versions, and with them their memory; they are loaded again when they are asked for."""
        self._models.clear()

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
        with self._files.model(ref, manifest, file) as path, self._files.telling(ref):
            self._rehearse(path, contract, golden)
            interpreter = self._loader.load(path, contract)
            began_s = self._clock.epoch_s()
            try:
                verify_first_load(golden, contract, preprocessor, interpreter)
            except ProcessingCrashed as error:
                # An isolated interpreter tells it so; of the version's own vectors, it is the version's fault.
                raise ModelLoadFailed(f"The interpreter does not survive the model: it {error.got}.") from error
            proof_s = self._clock.epoch_s() - began_s
            interpreter = self._guarded(interpreter, path, contract, golden)
        return ServedModel(ref, contract, interpreter, preprocessor, size_bytes, proof_s)

    def _guarded(
        self, interpreter: Interpreter, path: Path, contract: ModelContract, golden: GoldenVectors
    ) -> Interpreter:
        from lambent.services.golden import first_load_calls
        from lambent.services.new_shapes import NewShapesApart

        if self._apart is None or not free_dimensions(contract):
            return interpreter
        known = [call.tensors for call in first_load_calls(golden, contract)]
        return NewShapesApart(interpreter, self._apart.load(path, contract), contract, known=known)

    def _rehearse(self, model: Path, contract: ModelContract, golden: GoldenVectors) -> None:
        from lambent.services.golden import check_declared, check_outputs, first_load_sample

        if self._rehearsal is None:
            return
        check_declared(golden, contract)
        sample = first_load_sample(golden, contract)
        self._rehearsal.run(lambda: check_outputs(sample, contract, self._loader.load(model, contract)))

    def _make_room(self, size_bytes: int) -> None:
        """Drop models until one more of this size fits, or none is left; before its file takes up storage."""
        while self._models and self._loaded_bytes() + size_bytes > self._capacity_bytes:
            self._models.popitem(last=False)

    def _loaded_bytes(self) -> int:
        return sum(model.size_bytes for model in self._models.values())
