"""Whether confidence can be trusted."""

import numpy as np
import pytest

from lambent.contracts.model import Classification
from lambent_toolkit.modelkit.evaluating.calibration import bins, brier_scores, calibrated_ece, ece, log_losses
from lambent_toolkit.modelkit.evaluating.classification import classification_figures


def test_ece_is_the_mean_gap_of_the_bins_by_their_items() -> None:
    # Bins of 1/15: two items at 0.95 of which one is right, two at 0.55 that are both right.
    confidence = np.array([0.95, 0.95, 0.55, 0.55])

    assert ece(confidence, np.array([True, False, True, True])) == pytest.approx((abs(0.95 - 0.5) + abs(0.55 - 1)) / 2)


def test_confidence_of_one_lies_in_the_last_bin() -> None:
    found = bins(np.array([1.0, 0.99, 0.5]), np.array([True, False, True]))

    assert [(each.items, each.accuracy) for each in found] == [(1, 1.0), (2, 0.5)]
    assert all(each.low <= each.accuracy <= each.high for each in found)


def test_a_calibrated_model_is_within_its_limit_about_nineteen_times_of_twenty() -> None:
    random, within = np.random.default_rng(11), 0
    confidence = random.uniform(0.3, 1, 300)
    _, limit = calibrated_ece(confidence)
    for _ in range(200):
        within += ece(confidence, random.random(300) < confidence) <= limit

    # 190 are expected; three deviations of a binomial are nine.
    assert 181 <= within <= 199


def test_a_boaster_is_beyond_the_limit() -> None:
    confidence = np.full(200, 0.99)
    right = np.arange(200) % 2 == 0

    assert ece(confidence, right) == pytest.approx(0.49)
    assert ece(confidence, right) > calibrated_ece(confidence)[1]


def test_brier_score_is_zero_for_the_truth_and_two_for_the_sure_opposite() -> None:
    scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])

    assert brier_scores(scores, np.array([0, 1, 0])).tolist() == [0.0, 2.0, 0.5]


def test_a_truth_that_was_given_no_chance_costs_much_but_not_everything() -> None:
    assert log_losses(np.array([[1.0, 0.0]]), np.array([1]), is_one_right=True) == pytest.approx([24 * np.log(2)])


def test_labels_for_themselves_are_summed_over() -> None:
    found = log_losses(np.array([[0.9, 0.2]]), np.array([0]), is_one_right=False)

    assert found == pytest.approx([-np.log(0.9) - np.log(0.8)])


def test_reliability_is_told_before_and_after_the_temperature() -> None:
    logits = np.random.default_rng(2).normal(size=(200, 3)) * 6
    classes = np.where(np.arange(200) % 3 == 0, (logits.argmax(axis=1) + 1) % 3, logits.argmax(axis=1))
    spec = Classification(labels=("a", "b", "c"), activation="softmax", temperature=4.0)

    before, after = classification_figures(logits, classes, spec).reliability

    assert (before.temperature, after.temperature) == (1.0, 4.0)
    assert after.ece < before.ece
    assert after.log_loss.value < before.log_loss.value


def test_logits_that_were_declared_as_scores_are_not_taken_for_probabilities() -> None:
    figures = classification_figures(
        np.array([[3.0, -2.0], [0.5, 1.5]]), np.array([0, 1]), Classification(labels=("a", "b"))
    )

    assert figures.reliability == []
    assert "no probabilities" in figures.reliability_note
    assert figures.accuracy.value == 1


def test_sigmoid_scores_are_measured_by_their_best_label_and_it_is_said() -> None:
    spec = Classification(labels=("a", "b"), activation="sigmoid")

    figures = classification_figures(np.array([[3.0, 2.0], [-1.0, -2.0]]), np.array([0, 1]), spec)

    assert figures.accuracy.value == 0.5
    assert "each item has one true class" in figures.note
    assert len(figures.reliability) == 1


def test_int8_scores_that_sum_to_about_one_are_probabilities() -> None:
    scores = np.round(np.random.default_rng(3).dirichlet(np.ones(10), 50) * 256) / 256

    assert classification_figures(
        scores, np.zeros(50, dtype=np.int64), Classification(labels=tuple("0123456789"))
    ).reliability
