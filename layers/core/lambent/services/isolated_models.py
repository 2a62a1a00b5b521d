"""Versions as `ModelCache` has them, of which everything that an input can crash runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lambent.contracts.tensor_frames import decode_arrays, encode_arrays
from lambent.domain.preprocessing import Preprocessor, RawItem
from lambent.ports import IsolatedComputing
from lambent.services.load_model import ModelCache, ServedModel
from lambent.services.wrapped_preprocessor import WrappedPreprocessor

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array
    from lambent.domain.model import ModelRef


class IsolatedPreprocessor(WrappedPreprocessor):
    """Prepares each item in a child process. Thread-safe where the computing is."""

    def __init__(self, preprocessor: Preprocessor, computing: IsolatedComputing) -> None:
        super().__init__(preprocessor)
        self._computing = computing

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one item's arrays; raises InvalidInput: ProcessingCrashed if no process survives the item."""
        return decode_arrays(self._computing.run(lambda: encode_arrays(self._preprocessor.prepare(item))))

    def check_together(self, items: Sequence[RawItem]) -> None:
        """Raise InvalidInput if the items are too much work for one request, or end the process that looks at them."""

        def check() -> bytes:
            self._preprocessor.check_together(items)
            return b""

        self._computing.run(check)


class IsolatedModels:
    """A cache whose versions have isolated parts.

    Parameters
    ----------
    models      loads by a loader of isolated interpreters
    computing   where items are prepared
    make_room   called before a version is asked for: both sets of interpreters may not fit into memory at once
    allow_s     told, before a version is used, what its golden vectors took in processes of their own
    """

    def __init__(
        self,
        models: ModelCache,
        computing: IsolatedComputing,
        *,
        make_room: Callable[[], None],
        allow_s: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._models = models
        self._computing = computing
        self._make_room = make_room
        self._allow_s = allow_s

    def get(self, ref: ModelRef) -> ServedModel:
        """Return the version; raises as `ModelCache.get`."""
        self._make_room()
        model = self._models.get(ref)
        self._allow_s(model.proof_s)
        return replace(model, preprocessor=IsolatedPreprocessor(model.preprocessor, self._computing))
