"""Whatever `contract init` may be asked for: what it drafts is what `import` takes, of every kind of model.

Both run `rehearse` on the model and the contract, so that is left out here; `test_architectures` brings each kind in by
the commands themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from architectures import architectures
from fitting_data import write_tokenizer
from structures import structures

from lambent.contracts.model import ModelContract
from lambent.domain.model import TOKENIZER_FILE
from lambent.errors import LambentError
from lambent_toolkit.modelkit.errors import ForeignModelRefused, ModelkitError
from lambent_toolkit.modelkit.importing.agreement import check_agreement
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.inputs import read_contract, write_contract
from lambent_toolkit.modelkit.importing.quality import with_quality
from lambent_toolkit.modelkit.importing.reading import ReadModel, read_model
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Layer '.*was passed an input with a mask:UserWarning"),
]
KINDS = {**architectures(), **structures()}
READ = [name for name, kind in KINDS.items() if kind.code != ForeignModelRefused.exit_code]
LABELS = ((), ("yes",), ("no", "yes"), ("a", "b", "c"))
PREPROCESSING = (None, "image", "text", "tabular", "tensor")
SIZES = (None, (9, 11))


def read(name: str, folder: Path) -> ReadModel:
    with quiet():
        import keras

        keras.utils.set_random_seed(3)
        KINDS[name].build().save(folder / "theirs.keras")
    return read_model(folder / "theirs.keras")


@pytest.mark.parametrize("name", READ)
def test_whatever_is_drafted_of_a_model_agrees_with_it_as_it_is_read_back(name: str, tmp_path: Path) -> None:
    found = read(name, tmp_path)
    write_tokenizer(tmp_path / TOKENIZER_FILE)
    tokenizer = (tmp_path / TOKENIZER_FILE).read_bytes()
    wishes = [
        {"labels": labels, "preprocessing": preprocessing, "output": output, "size": size}
        for labels in LABELS
        for preprocessing in PREPROCESSING
        for output in (None, *(spec.name for spec in found.signature.outputs))
        for size in SIZES
    ]
    drafted: list[ModelContract] = []

    for wish in wishes:
        assets = {TOKENIZER_FILE: tokenizer} if wish["preprocessing"] == "text" else {}
        try:
            draft = draft_contract(
                name.replace("_", "-"), found.signature, tokenizer=assets.get(TOKENIZER_FILE), **wish
            ).contract
        except (ModelkitError, LambentError):
            continue
        if draft in drafted:
            continue
        file = tmp_path / f"{len(drafted)}.json"
        write_contract(file, with_quality(draft, min_accuracy=None, max_rmse=None))
        contract = read_contract(file)
        assert contract == draft, wish
        check_agreement(contract, found.signature, assets)
        drafted.append(draft)

    assert drafted
