"""Parts of the data that a model is worse on."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from lambent_toolkit.modelkit.evaluating.slices import MOST_VALUES, OTHERS, classifier_slices, regression_slices


def test_a_slice_that_is_much_worse_is_flagged_and_no_other() -> None:
    place = np.array(["day"] * 300 + ["night"] * 60)
    right = np.concatenate([np.arange(300) % 20 != 0, np.arange(60) % 3 != 0])

    found = {each.value: each for each in classifier_slices(right, {"light": place.tolist()})}

    assert {name: each.is_worse for name, each in found.items()} == {"day": False, "night": True}
    assert found["night"].metric.value == pytest.approx(2 / 3)
    assert found["night"].rest == pytest.approx(0.95)
    assert found["night"].items == 60
    assert found["night"].p_value == pytest.approx(fisher_exact([[40, 20], [285, 15]], alternative="less").pvalue)


def test_many_slices_of_chance_are_corrected_for_their_number() -> None:
    random = np.random.default_rng(21)
    flagged = uncorrected = 0
    for _ in range(40):
        right = random.random(400) < 0.8
        found = classifier_slices(right, {"group": [str(number) for number in random.integers(0, 20, 400)]})
        flagged += any(each.is_worse for each in found)
        uncorrected += any(each.p_value is not None and each.p_value <= 0.05 for each in found)

    assert uncorrected > 10
    assert flagged <= 2


def test_a_slice_of_few_items_is_shown_but_not_tested() -> None:
    found = classifier_slices(np.array([False] * 3 + [True] * 50), {"s": ["rare"] * 3 + ["usual"] * 50})

    rare = next(each for each in found if each.value == "rare")
    assert (rare.metric.value, rare.p_value, rare.is_worse) == (0.0, None, False)


def test_a_column_of_one_value_has_no_rest() -> None:
    found = classifier_slices(np.array([True, False] * 10), {"s": ["all"] * 20})

    assert [(each.rest, each.p_value) for each in found] == [(None, None)]


def test_rare_values_of_a_long_column_are_one_slice() -> None:
    values = [str(number) for number in range(50)] + ["usual"] * 50

    found = classifier_slices(np.ones(100, dtype=bool), {"s": values})

    assert len(found) == MOST_VALUES + 1
    assert found[-1].value == OTHERS
    assert sum(each.items for each in found) == 100


def test_larger_errors_of_a_regression_are_flagged() -> None:
    random = np.random.default_rng(22)
    residuals = np.concatenate([random.normal(0, 1, 200), random.normal(0, 3, 50)])

    near, far = regression_slices(residuals, {"distance": ["a near"] * 200 + ["far"] * 50})

    assert (near.is_worse, far.is_worse) == (False, True)
    assert far.metric.value == pytest.approx(np.sqrt((residuals[200:] ** 2).mean()))
    assert far.metric.low < far.metric.value < far.metric.high


def test_data_without_slices_has_none() -> None:
    assert classifier_slices(np.array([True]), {}) == []
