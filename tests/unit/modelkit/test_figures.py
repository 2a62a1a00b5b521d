"""Figures of evaluation and the choice of calibration data."""

import numpy as np

from lambent_toolkit.modelkit.evaluation import accuracy, agreement, confusion
from lambent_toolkit.modelkit.quantization import spread

SCORES = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
CLASSES = np.array([0, 1, 2, 2])


def test_accuracy_counts_rows_whose_best_score_is_the_true_class() -> None:
    assert accuracy(SCORES, CLASSES) == 0.75


def test_agreement_compares_answers_and_not_scores() -> None:
    others = SCORES.copy()
    others[0] = [0.5, 0.4, 0.1]
    others[3] = [1.0, 0.0, 0.0]

    assert agreement(SCORES, others) == 0.75


def test_confusion_has_true_classes_in_rows() -> None:
    assert confusion(SCORES, CLASSES).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_calibration_data_holds_every_class_about_equally_often() -> None:
    classes = np.repeat(np.arange(10), 50)
    np.random.default_rng(3).shuffle(classes)

    chosen = spread({"x": classes}, classes, items=100)["x"]

    counts = np.bincount(chosen, minlength=10)
    assert counts.sum() == 100
    assert counts.min() >= 9


def test_calibration_takes_all_of_a_small_data_set() -> None:
    assert len(spread({"x": np.zeros((5, 1))}, np.arange(5), items=100)["x"]) == 5
