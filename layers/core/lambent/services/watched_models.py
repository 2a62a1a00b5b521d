"""Versions as a cache has them, with a limit of time for what an input can make endless.

Nothing here ends what takes too long: whoever watches ends the process with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lambent.contracts.model import ModelContract
from lambent.domain.preprocessing import Preprocessor, RawItem
from lambent.ports import ComputingWatch, Interpreter
from lambent.services.load_model import Models, ServedModel
from lambent.services.wrapped_preprocessor import WrappedPreprocessor

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array
    from lambent.domain.model import ModelRef

# Of the time that its golden vectors took when it was loaded here: no row of theirs is like another in time.
_TIMES_PROOF = 5


class WatchedPreprocessor(WrappedPreprocessor):
    """Prepares within a limit of ``limit_s`` an item. Thread-safe."""

    def __init__(self, preprocessor: Preprocessor, watch: ComputingWatch, limit_s: float) -> None:
        super().__init__(preprocessor)
        self._watch = watch
        self._limit_s = limit_s

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one item's arrays; raises InvalidInput."""
        with self._watch.within(self._limit_s):
            return self._preprocessor.prepare(item)

    def check_together(self, items: Sequence[RawItem]) -> None:
        """Raise InvalidInput if the items are too much work for one request."""
        with self._watch.within(self._limit_s):
            self._preprocessor.check_together(items)


class _WatchedInterpreter:
    """Runs within a limit of ``limit_s`` a row."""

    def __init__(
        self, interpreter: Interpreter, contract: ModelContract, watch: ComputingWatch, limit_s: float
    ) -> None:
        self.platform = interpreter.platform
        self._interpreter = interpreter
        first = contract.inputs[0]
        self._rows_of = first.name if first.shape[:1] == (-1,) else None
        self._watch = watch
        self._limit_s = limit_s

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter."""
        rows = 1 if self._rows_of is None else max(1, len(inputs[self._rows_of]))
        with self._watch.within(self._limit_s * rows):
            return self._interpreter.run(inputs)


class WatchedModels:
    """A cache whose versions compute within limits of time.

    Parameters
    ----------
    models
    watch     ends what takes longer
    limit_s   for a row, or an item to prepare; more for a version whose own golden vectors took a fifth of it
    """

    def __init__(self, models: Models, watch: ComputingWatch, *, limit_s: float) -> None:
        self._models = models
        self._watch = watch
        self._limit_s = limit_s

    def get(self, ref: ModelRef) -> ServedModel:
        """Return the version; raises as the cache's own."""
        model = self._models.get(ref)
        limit_s = max(self._limit_s, _TIMES_PROOF * model.proof_s)
        return replace(
            model,
            interpreter=_WatchedInterpreter(model.interpreter, model.contract, self._watch, limit_s),
            preprocessor=WatchedPreprocessor(model.preprocessor, self._watch, limit_s),
        )
