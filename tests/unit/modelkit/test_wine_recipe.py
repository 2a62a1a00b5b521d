"""The wine recipe's data: real rows, standardized by what the training part alone says."""

import msgspec
import numpy as np
import pytest

from lambent.contracts.model import NumericColumn, TabularPreprocessing
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import ColumnInvalid
from lambent_toolkit.modelkit.recipe import Split, prepare
from lambent_toolkit.modelkit.recipes import RECIPES, wine


@pytest.fixture(scope="module")
def split() -> Split:
    return prepare(RECIPES["wine"])


def test_all_wines_are_rows_of_thirteen_numbers(split: Split) -> None:
    rows = [msgspec.json.decode(item, type=dict[str, float]) for item in _every_item(split)]

    assert len(rows) == 178
    assert {len(row) for row in rows} == {wine.COLUMNS}


def _every_item(split: Split) -> list[bytes]:
    return [*split.train.items, *split.validation.items, *split.test.items]


def test_training_part_is_standardized_and_the_test_part_is_not_looked_at(split: Split) -> None:
    train, test = split.train.tensors["analysis"], split.test.tensors["analysis"]

    assert np.allclose(train.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(train.std(axis=0), 1, atol=1e-3)
    assert not np.allclose(test.mean(axis=0), 0, atol=1e-3)


def test_a_missing_number_is_refused(split: Split) -> None:
    spec = split.contract.preprocessing
    row = msgspec.json.decode(split.test.items[0], type=dict[str, float])
    del row["alcohol"]

    assert isinstance(spec, TabularPreprocessing)
    assert all(isinstance(column, NumericColumn) and column.missing is None for column in spec.columns)
    with pytest.raises(ColumnInvalid, match="alcohol"):
        make_preprocessor(split.contract, {}).prepare(row)
