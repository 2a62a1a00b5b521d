"""Whether two models differ, and the sentence that says so."""

from math import comb

import numpy as np
import pytest

from lambent_toolkit.modelkit.evaluating.comparison_report import Difference
from lambent_toolkit.modelkit.evaluating.paired import LEVEL, error_difference, items_to_show, mcnemar
from lambent_toolkit.modelkit.evaluating.verdict import classifier_verdict, p_text, regression_verdict
from lambent_toolkit.modelkit.quantization_loss import paired_interval

NAMES = ("old", "new")


def difference(value: float, low: float, high: float, p_value: float, *, metric: str = "accuracy") -> Difference:
    return Difference(metric=metric, value=value, low=low, high=high, p_value=p_value, test="McNemar, mid-p")


@pytest.mark.parametrize(
    ("first_only", "second_only", "p_value"),
    # 1 and 7: the airways of 21 children, an example of Fagerland et al. 2013, who give 0.039 (and 0.070 exactly).
    [(1, 7, 0.0391), (0, 5, 1 / 2**5), (3, 3, 1.0), (12, 12, 1.0)],
)
def test_few_differences_have_the_p_values_of_the_literature(first_only: int, second_only: int, p_value: float) -> None:
    found = mcnemar(first_only, second_only)

    assert found.p_value == pytest.approx(p_value, abs=1e-4)
    assert found.method == "McNemar, mid-p"
    assert mcnemar(second_only, first_only).p_value == pytest.approx(found.p_value)


@pytest.mark.parametrize(("first_only", "second_only"), [(0, 3), (0, 5), (1, 6), (2, 9), (3, 12), (5, 16)])
def test_test_and_interval_tell_the_same_but_for_four_against_none(first_only: int, second_only: int) -> None:
    low, high = paired_interval(second_only, first_only, 360)

    assert (mcnemar(first_only, second_only).p_value <= LEVEL) == (not low <= 0 <= high)


@pytest.mark.parametrize(("first_only", "second_only"), [(9, 30), (12, 13), (40, 25), (20, 20)])
def test_many_differences_are_tested_by_the_mid_p_value(first_only: int, second_only: int) -> None:
    items, smaller = first_only + second_only, min(first_only, second_only)
    below = sum(comb(items, each) for each in range(smaller))

    found = mcnemar(first_only, second_only)

    assert found.p_value == pytest.approx(min(1.0, 2 * (below + comb(items, smaller) / 2) / 2**items))
    assert found.method == "McNemar, mid-p"


def test_models_that_differ_on_no_item_are_not_different() -> None:
    assert mcnemar(0, 0).p_value == 1.0


def test_mcnemar_rejects_equal_models_no_more_often_than_it_promises() -> None:
    random = np.random.default_rng(17)

    rejected = 0
    for _ in range(2000):
        first, second = random.random(200) < 0.8, random.random(200) < 0.8
        rejected += mcnemar(int((first & ~second).sum()), int((second & ~first).sum())).p_value <= 0.05

    # 100 of 2,000 are allowed; three deviations are 29.
    assert rejected <= 129


def test_a_better_regression_is_found_on_the_same_items() -> None:
    random = np.random.default_rng(5)
    hard = random.normal(0, 3, 200)
    first, second = hard + random.normal(0.0, 0.5, 200), 0.8 * hard

    found = error_difference(first**2, second**2, is_root=True)

    assert found.value == pytest.approx(np.sqrt((first**2).mean()) - np.sqrt((second**2).mean()))
    assert 0 < found.low < found.value < found.high
    assert found.significance.p_value < 0.01


def test_equal_regressions_are_not_different() -> None:
    errors = np.array([1.0, 2.0, 0.5, 3.0])

    found = error_difference(errors, errors, is_root=False)

    assert (found.value, found.low, found.high, found.significance.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_regressions_of_one_kind_are_called_different_about_as_rarely_as_promised() -> None:
    random, rejected = np.random.default_rng(6), 0
    for _ in range(200):
        first, second = random.normal(size=(2, 60))
        rejected += error_difference(np.abs(first), np.abs(second), is_root=False).significance.p_value <= 0.05

    # 10 of 200 are expected; the percentile bootstrap of 60 items rejects a little more often.
    assert rejected <= 22


def test_items_to_show_is_connor_s_formula_by_hand() -> None:
    # (1.95996 * sqrt(0.1) + 0.84162 * sqrt(0.1 - 0.0025))^2 / 0.0025 = 311.1
    assert items_to_show(0.05, 0.1) == 312
    assert items_to_show(-0.05, 0.1) == 312
    assert items_to_show(0.01, 0.1) > 7000


def test_the_better_one_is_named_with_the_interval_from_its_side() -> None:
    outcome, told = classifier_verdict(NAMES, difference(1.4, 0.3, 2.5, 0.012), 20, 23, 1000)
    assert outcome == "second"
    assert told == (
        "new is better: +1.40 pt accuracy (95 %: +0.30 to +2.50), McNemar, mid-p, p = 0.012; 23 of 1000 items are "
        "answered differently."
    )

    outcome, told = classifier_verdict(NAMES, difference(-1.4, -2.5, -0.3, 0.012), 20, 23, 1000)
    assert outcome == "first"
    assert told.startswith("old is better: +1.40 pt accuracy (95 %: +0.30 to +2.50)")


def test_where_nothing_can_be_shown_it_is_said_what_it_would_take() -> None:
    outcome, told = classifier_verdict(NAMES, difference(0.5, -0.4, 1.4, 0.4), 30, 31, 1000)

    assert outcome == "undecided"
    assert told.startswith("No difference could be shown: new has +0.50 pt accuracy")
    assert f"{items_to_show(0.005, 0.03):,} items would be needed" in told


def test_two_models_that_get_the_same_items_right_may_still_answer_differently() -> None:
    outcome, told = classifier_verdict(NAMES, difference(0, -3, 3, 1.0), 0, 4, 120)

    assert outcome == "undecided"
    assert "both get the same items right; 4 of 120 items are answered differently" in told


def test_regressions_are_told_in_their_unit() -> None:
    outcome, told = regression_verdict(NAMES, difference(0.3, 0.1, 0.5, 0.004, metric="rmse"), 90, "m")
    assert outcome == "second"
    assert told.startswith("new is better: its RMSE is 0.3 m lower (95 %: 0.1 to 0.5)")

    outcome, told = regression_verdict(NAMES, difference(-0.3, -0.5, -0.1, 0.004, metric="rmse"), 90, "m")
    assert outcome == "first"
    assert told.startswith("old is better: its RMSE is 0.3 m lower (95 %: 0.1 to 0.5)")

    outcome, told = regression_verdict(NAMES, difference(0.1, -0.1, 0.3, 0.3, metric="rmse"), 90, "m")
    assert outcome == "undecided"
    # (2.80159 * 0.2 / 1.95996 / 0.1)^2 * 90 = 735.6
    assert "about 736 items would be needed" in told


def test_tiny_p_values_are_not_told_as_zero() -> None:
    assert (p_text(0.0001), p_text(0.0123)) == ("p < 0.001", "p = 0.012")
