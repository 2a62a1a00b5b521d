"""What is the same of preprocessors that prepare items elsewhere, or under watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lambent.domain.preprocessing import Preprocessor

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array


class WrappedPreprocessor:
    """Takes the same items as another preprocessor, and puts its batches together."""

    def __init__(self, preprocessor: Preprocessor) -> None:
        self._preprocessor = preprocessor

    @property
    def accepted_media(self) -> tuple[str, ...]:
        """As the preprocessor's."""
        return self._preprocessor.accepted_media

    @property
    def item_name(self) -> str:
        """As the preprocessor's."""
        return self._preprocessor.item_name

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Return the batch of prepared items, put together here: by then they are arrays of the contract's shapes."""
        return self._preprocessor.collate(prepared)
