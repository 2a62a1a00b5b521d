"""Figures of a classifier on data it has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.tensor import Array


def accuracy(scores: Array, classes: NDArray[np.int64]) -> float:
    """Return the share of rows whose best score is at the true class, 0 to 1."""
    return float(np.mean(scores.argmax(axis=1) == classes))


def agreement(scores: Array, others: Array) -> float:
    """Return the share of rows for which two models name the same class, 0 to 1."""
    return float(np.mean(scores.argmax(axis=1) == others.argmax(axis=1)))


def confusion(scores: Array, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return counts, shape (classes, classes): row = true class, column = predicted class."""
    size = scores.shape[1]
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (classes, scores.argmax(axis=1)), 1)
    return counts
