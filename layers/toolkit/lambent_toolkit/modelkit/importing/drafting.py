"""The step `lambent contract init`: a contract drafted from a model, and tried as `lambent import` will try it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lambent.domain.model import TOKENIZER_FILE
from lambent_toolkit.modelkit.importing.bring import rehearse
from lambent_toolkit.modelkit.importing.draft import Draft, PreprocessingKind, draft_contract
from lambent_toolkit.modelkit.importing.inputs import model_name
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.importing.shortest_lengths import with_min_shapes


class DraftWish(NamedTuple):
    """What is told of a model beside its file, see `draft_contract`; ``name`` None takes the file's."""

    name: str | None = None
    preprocessing: PreprocessingKind | None = None
    labels: tuple[str, ...] = ()
    output: str | None = None
    size: tuple[int, int] | None = None
    tokenizer: bytes | None = None
    signature: str | None = None


def draft_of(source: Path, wish: DraftWish | None = None, *, is_trusted: bool = False) -> Draft:
    """Draft a contract that `import_model` takes.

    Raises
    ------
    NameInvalid, DraftUndecided                                            see `draft_contract`
    ForeignModelRefused, ServingRefused, ServingCheckFailed, ConversionFailed, ModelNotFinite   as `import_model` would
    """
    wish = wish or DraftWish()
    read = read_model(source, is_trusted=is_trusted, signature=wish.signature)
    draft = draft_contract(
        wish.name or model_name(source),
        read.signature,
        preprocessing=wish.preprocessing,
        labels=wish.labels,
        output=wish.output,
        size=wish.size,
        tokenizer=wish.tokenizer,
    )
    contract = with_min_shapes(read.files, draft.contract)
    rehearse(read, contract, {} if wish.tokenizer is None else {TOKENIZER_FILE: wish.tokenizer})
    return draft._replace(contract=contract)
