"""Raw items into tensors: the one code path of training, calibration, Lambda and the batch worker.

An item is what one row of a batch is made from: the bytes of a picture, a text, a table row. `prepare` turns one item
into arrays without a batch dimension and says what is wrong with it; `collate` makes a batch of prepared items, which
is where texts of different lengths are padded. The two are apart so that one bad item never spoils a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lambent.contracts.model import ImagePreprocessing, ModelContract

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array

RawItem = bytes | str | Mapping[str, Any]


class Preprocessor(Protocol):
    """The preprocessing of one version."""

    @property
    def accepted_media(self) -> tuple[str, ...]:
        """Content types of which one body is one item; empty if the model takes tensors only."""
        ...

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one item's arrays by input name, without batch dimension; raises InvalidInput.

        ``item`` may always be bytes, as an uploaded object holds it: the picture, the UTF-8 text, the row as a JSON
        object.
        """
        ...

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Return the batch of prepared items, one row each."""
        ...


def make_preprocessor(contract: ModelContract, assets: Mapping[str, bytes]) -> Preprocessor:  # noqa: ARG001 - for texts
    """Return a version's preprocessing.

    Parameters
    ----------
    contract
    assets     verified files that the contract's preprocessing needs, by name

    Imports stand inside, so that a function loads only what its models need.
    """
    if isinstance(contract.preprocessing, ImagePreprocessing):
        from lambent.domain.preprocessing.image import ImagePreprocessor

        return ImagePreprocessor(contract)
    from lambent.domain.preprocessing.tensor import TensorPreprocessor

    return TensorPreprocessor()
