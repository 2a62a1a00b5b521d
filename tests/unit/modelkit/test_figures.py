"""Figures of evaluation and the choice of calibration data."""

import numpy as np

from lambent_toolkit.modelkit.evaluation import accuracy, agreement, confusion

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
