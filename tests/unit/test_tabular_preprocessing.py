"""Table rows into numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import contract
from lambent.contracts.model import (
    CategoricalColumn,
    Limits,
    NumericColumn,
    RawOutputs,
    TabularPreprocessing,
    TensorSpec,
)
from lambent.domain.preprocessing import Preprocessor, make_preprocessor, prepare_all
from lambent.errors import ColumnInvalid, JsonInvalid, MediaTypeUnsupported, PayloadTooLarge, RequestInvalid

AGE = NumericColumn(name="age", mean=40.0, std=10.0)
INCOME = NumericColumn(name="income", missing=0.0)
COLOUR = CategoricalColumn(name="colour", vocabulary=("red", "green"))
SIZE = CategoricalColumn(name="size", vocabulary=("s", "m", "l"), encoding="index", unknown="other", missing="m")
ROW = {"age": 50, "income": 2.5, "colour": "green", "size": "l"}
VALUES = st.floats() | st.integers() | st.sampled_from([True, None, "", "red", "m", "odd", [], [1.0], {}, {"age": 1}])


def make(*columns: NumericColumn | CategoricalColumn, width: int = 5, datatype: str = "FP32") -> Preprocessor:
    declared = contract(
        inputs=(TensorSpec(name="x", datatype=datatype, shape=(-1, width)),),
        preprocessing=TabularPreprocessing(columns=columns or (AGE, INCOME, COLOUR, SIZE)),
        postprocessing=RawOutputs(),
        limits=Limits(max_input_bytes=1000),
    )
    return make_preprocessor(declared, {})


def numbers(row: object) -> list[float]:
    return make().prepare(row)["x"].tolist()


def test_columns_stand_side_by_side_in_the_contracts_order() -> None:
    arrays = make().prepare(dict(reversed(ROW.items())))

    assert arrays["x"].tolist() == [1.0, 2.5, 0.0, 1.0, 2.0]
    assert arrays["x"].dtype == np.float32


def test_rows_may_be_json_bytes() -> None:
    assert numbers(b'{"age": 50, "income": 2.5, "colour": "green", "size": "l"}') == numbers(ROW)


def test_rows_are_stacked_to_a_batch() -> None:
    preprocessor = make()

    batch = preprocessor.collate(prepare_all(preprocessor, [ROW, {**ROW, "age": 30}], field="rows"))

    assert batch["x"].tolist() == [[1.0, 2.5, 0.0, 1.0, 2.0], [-1.0, 2.5, 0.0, 1.0, 2.0]]


@pytest.mark.parametrize("missing", [None, "", math.nan])
def test_null_empty_and_nan_are_missing_and_take_what_the_contract_says(missing: object) -> None:
    assert numbers({**ROW, "income": missing, "size": missing}) == [1.0, 0.0, 0.0, 1.0, 1.0]


def test_an_absent_column_is_missing_too() -> None:
    assert numbers({"age": 50, "colour": "red"}) == [1.0, 0.0, 1.0, 0.0, 1.0]


def test_other_words_are_all_zeros_or_the_index_after_the_last_where_the_contract_takes_them() -> None:
    open_colour = CategoricalColumn(name="colour", vocabulary=("red", "green"), unknown="other")

    assert make(open_colour, width=2).prepare({"colour": "blue"})["x"].tolist() == [0.0, 0.0]
    assert numbers({**ROW, "size": "xxl"})[-1] == 3.0


def test_an_empty_string_may_be_a_word_of_the_vocabulary() -> None:
    column = CategoricalColumn(name="suffix", vocabulary=("", "jr"), encoding="index")

    assert make(column, width=1, datatype="INT32").prepare({"suffix": ""})["x"].tolist() == [0]


@pytest.mark.parametrize(
    ("changes", "column", "reason"),
    [
        ({"age": None}, "age", "missing"),
        ({"age": math.nan}, "age", "missing"),
        ({"age": math.inf}, "age", "finite"),
        ({"age": 10**400}, "age", "finite"),
        ({"age": 1e300}, "age", "FP32"),
        ({"age": True}, "age", "not a truth value"),
        ({"age": "50"}, "age", "not a string"),
        ({"age": [50]}, "age", "not a list"),
        ({"age": {}}, "age", "not an object"),
        ({"colour": "blue"}, "colour", "outside its vocabulary"),
        ({"colour": None}, "colour", "missing"),
        ({"colour": 1}, "colour", "must be a string, not a number"),
        ({"colour": ["red"]}, "colour", "not a list"),
        ({"height": 3}, "height", "does not know, height; it takes age, "),
    ],
)
def test_an_unusable_column_is_named_with_the_reason(changes: dict, column: str, reason: str) -> None:
    with pytest.raises(ColumnInvalid, match=reason) as refusal:
        numbers({**ROW, **changes})

    assert refusal.value.field == f"row.{column}"


def test_allowed_values_are_listed_and_the_rows_content_never() -> None:
    with pytest.raises(ColumnInvalid) as refusal:
        numbers({**ROW, "colour": "secret word"})

    assert refusal.value.limit == ["red", "green"]
    assert "secret" not in str(refusal.value.to_dict())


def test_at_most_twenty_allowed_values_are_listed_and_their_number_is_told() -> None:
    column = CategoricalColumn(name="city", vocabulary=tuple(map(str, range(500))), encoding="index")

    with pytest.raises(ColumnInvalid, match="first 20 of 500") as refusal:
        make(column, width=1).prepare({"city": "x"})

    assert len(refusal.value.limit) == 20


def test_a_bad_row_among_several_is_named_by_its_place_and_column() -> None:
    with pytest.raises(ColumnInvalid) as refusal:
        prepare_all(make(), [ROW, {**ROW, "age": "x"}], field="rows")

    assert refusal.value.field == "rows[1].age"


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("age,income", MediaTypeUnsupported),
        (b"[1]", RequestInvalid),
        (b"{", JsonInvalid),
        (b" " * 1001, PayloadTooLarge),
    ],
)
def test_what_is_no_row_is_refused(item: str | bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        numbers(item)


@given(st.dictionaries(st.sampled_from([*ROW, "other"]), VALUES))
def test_any_row_becomes_finite_numbers_or_names_a_column(row: dict) -> None:
    try:
        array = make().prepare(row)["x"]
    except ColumnInvalid as error:
        refused = error.field
    else:
        refused = None

    assert refused is None or refused.removeprefix("row.") in {*ROW, "other"}
    if refused is not None:
        return
    assert array.shape == (5,)
    assert np.isfinite(array).all()


@given(value=st.floats(-1e6, 1e6), mean=st.floats(-100, 100), std=st.floats(0.01, 100))
def test_numbers_are_standardized(value: float, mean: float, std: float) -> None:
    column = NumericColumn(name="age", mean=mean, std=std)

    array = make(column, width=1).prepare({"age": value})["x"]

    assert array.item() == np.float32((value - mean) / std)
