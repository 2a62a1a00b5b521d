"""Raw items into tensors: the one code path of training, calibration, Lambda and the batch worker.

An item is what one row of a batch is made from: the bytes of a picture, a text, a table row. `prepare` turns one item
into arrays without a batch dimension and says what is wrong with it; `collate` makes a batch of prepared items, which
is where texts of different lengths are padded. The two are apart so that one bad item never spoils a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lambent.contracts.model import ImagePreprocessing, ModelContract, TabularPreprocessing, TextPreprocessing
from lambent.domain.contract_check import check_contract
from lambent.errors import InvalidInput

if TYPE_CHECKING:
    from lambent.contracts.tensor import Array

RawItem = bytes | str | Mapping[str, Any]


class Preprocessor(Protocol):
    """The preprocessing of one version."""

    @property
    def accepted_media(self) -> tuple[str, ...]:
        """Content types of which one body is one item; empty if the model takes tensors only."""
        ...

    @property
    def item_name(self) -> str:
        """What errors of one item call it: their ``field`` is this name, or begins with it (``row.alcohol``)."""
        ...

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one item's arrays by input name, without batch dimension; raises InvalidInput.

        ``item`` may always be bytes, as an uploaded object holds it: the picture, the UTF-8 text, the row as a JSON
        object.
        """
        ...

    def check_together(self, items: Sequence[RawItem]) -> None:
        """Raise InvalidInput if items that may be taken one by one are too much work for one request."""
        ...

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Return the batch of prepared items, one row each."""
        ...


def prepare_all(preprocessor: Preprocessor, items: Sequence[RawItem], *, field: str) -> list[dict[str, Array]]:
    """Prepare all items of one request; too many of them together, or the first bad one, refuse it.

    Parameters
    ----------
    field   where the items stand in the request, e.g. ``rows``: an error names ``rows[2]``, and ``rows[2].alcohol``
            where it knows the column

    Raises
    ------
    InvalidInput   as `Preprocessor.check_together` and `Preprocessor.prepare`
    """
    if len(items) > 1:
        try:
            preprocessor.check_together(items)
        except InvalidInput as error:
            error.field = field
            raise
    prepared = []
    for index, item in enumerate(items):
        try:
            prepared.append(preprocessor.prepare(item))
        except InvalidInput as error:
            error.field = f"{field}[{index}]{(error.field or '').removeprefix(preprocessor.item_name)}"
            raise
    return prepared


def make_preprocessor(contract: ModelContract, assets: Mapping[str, bytes]) -> Preprocessor:
    """Return a version's preprocessing.

    Parameters
    ----------
    contract
    assets     verified files that the contract's preprocessing needs, by name

    Raises
    ------
    ModelContractMismatch   the contract contradicts itself, or the assets are not those that it was made with

    Imports stand inside, so that a function loads only what its models need.
    """
    check_contract(contract)
    if isinstance(contract.preprocessing, ImagePreprocessing):
        from lambent.domain.preprocessing.image import ImagePreprocessor

        return ImagePreprocessor(contract)
    if isinstance(contract.preprocessing, TextPreprocessing):
        from lambent.domain.preprocessing.text import TextPreprocessor

        return TextPreprocessor(contract, assets)
    if isinstance(contract.preprocessing, TabularPreprocessing):
        from lambent.domain.preprocessing.tabular import TabularPreprocessor

        return TabularPreprocessor(contract)
    from lambent.domain.preprocessing.tensor import TensorPreprocessor

    return TensorPreprocessor()
