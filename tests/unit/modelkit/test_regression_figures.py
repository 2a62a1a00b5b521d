"""Figures of a regression, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from lambent.contracts.model import (
    ModelContract,
    NumericColumn,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorSpec,
)
from lambent_toolkit.modelkit.errors import AnswersNotFinite
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers
from lambent_toolkit.modelkit.evaluating.bootstrap import ones
from lambent_toolkit.modelkit.evaluating.regression import regression_figures, weighted_quantiles, weighted_r2

RANDOM = np.random.default_rng(9)
TARGETS = RANDOM.normal(1000, 3, 300)
VALUES = TARGETS + RANDOM.normal(0.5, 1, 300)


def test_figures_are_those_of_scikit_learn_and_of_arithmetic() -> None:
    found = regression_figures(VALUES, TARGETS, unit="m")

    residuals = VALUES - TARGETS
    assert found.rmse.value == pytest.approx(np.sqrt((residuals**2).mean()))
    assert found.mae.value == pytest.approx(np.abs(residuals).mean())
    assert found.bias.value == pytest.approx(residuals.mean())
    assert found.r2.value == pytest.approx(r2_score(TARGETS, VALUES))
    assert found.residual_quantiles["0.5"].value == pytest.approx(np.median(residuals), abs=0.02)
    assert found.unit == "m"
    for each in (found.rmse, found.mae, found.bias, found.r2, *found.residual_quantiles.values()):
        assert each.low < each.value < each.high


def test_the_interval_of_the_bias_is_about_two_standard_errors() -> None:
    found = regression_figures(VALUES, TARGETS, unit=None).bias

    error = (VALUES - TARGETS).std() / np.sqrt(300)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_what_is_resampled_is_r2_also_far_from_zero() -> None:
    shifted = TARGETS + 1e6

    assert weighted_r2(VALUES - TARGETS, shifted)(ones(300)) == pytest.approx([r2_score(TARGETS, VALUES)])


def test_a_constant_truth_has_no_r2() -> None:
    found = regression_figures(np.array([1.0, 2.0, 3.0]), np.full(3, 2.0), unit=None)

    assert found.r2 is None
    assert found.rmse.value == pytest.approx(np.sqrt(2 / 3))


def test_one_item_has_an_error_without_interval_and_two_have_one() -> None:
    one = regression_figures(np.array([1.0]), np.array([3.0]), unit=None)
    two = regression_figures(np.array([1.0, 3.0]), np.array([3.0, 4.0]), unit=None)

    assert (one.rmse.value, one.rmse.low, one.r2) == (2.0, None, None)
    assert (two.rmse.low, two.rmse.high) == (1.0, 2.0)


def test_worst_answers_come_first() -> None:
    found = regression_figures(np.array([1.0, 9.0, 2.0]), np.array([1.0, 1.0, 4.0]), unit=None)

    assert [(each.item, each.truth, each.answer) for each in found.mistakes] == [
        (1, 1.0, 9.0),
        (2, 4.0, 2.0),
        (0, 1.0, 1.0),
    ]


def test_weighted_quantiles_are_those_of_items_drawn_several_times() -> None:
    values = np.array([5.0, 1.0, 3.0])

    found = weighted_quantiles(values, [0.5, 1.0])(np.array([[1.0, 1.0, 1.0], [0.0, 3.0, 0.0], [2.0, 1.0, 0.0]]))

    assert found.tolist() == [[3.0, 5.0], [1.0, 1.0], [5.0, 5.0]]


def declared(spec: Regression | RawOutputs) -> ModelContract:
    return ModelContract(
        name="size",
        inputs=(TensorSpec(name="row", datatype="FP32", shape=(-1, 1)),),
        outputs=(TensorSpec(name="value", datatype="FP32", shape=(-1, 1)),),
        preprocessing=TabularPreprocessing(columns=(NumericColumn(name="x"),)),
        postprocessing=spec,
    )


def test_answers_have_the_contracts_scale_and_offset() -> None:
    spec = Regression(scale=2.0, offset=10.0)
    rows = answer_rows({"value": np.array([[1.0], [2.0]], np.float32)}, declared(spec), of="size")

    assert numbers(rows, spec).tolist() == [12.0, 14.0]


def test_answers_that_are_no_numbers_are_told_by_their_items() -> None:
    outputs = {"value": np.array([[1.0], [np.nan], [np.inf]], np.float32)}

    with pytest.raises(AnswersNotFinite, match=r"int8 answers NaN or infinity to 2 of 3 test items \(numbers 1, 2\)"):
        answer_rows(outputs, declared(Regression()), of="int8")
