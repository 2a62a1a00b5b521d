"""No preprocessing: the caller sends tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lambent.errors import MediaTypeUnsupported

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array
    from lambent.domain.preprocessing import RawItem


class TensorPreprocessor:
    """Refuses raw items."""

    accepted_media: tuple[str, ...] = ()
    item_name = "item"

    def prepare(self, item: RawItem) -> dict[str, Array]:  # noqa: ARG002 - the port's signature
        """Raise MediaTypeUnsupported."""
        raise MediaTypeUnsupported("This model takes tensors only; use POST /v2/models/{model}/infer.")

    def check_together(self, items: Sequence[RawItem]) -> None:
        """Leave the refusal to `prepare`."""

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:  # noqa: ARG002
        """Raise MediaTypeUnsupported."""
        raise MediaTypeUnsupported("This model takes tensors only; use POST /v2/models/{model}/infer.")
