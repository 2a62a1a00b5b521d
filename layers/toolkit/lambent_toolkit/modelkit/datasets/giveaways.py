"""Columns of a table that tell the label by themselves: often made after it, and not known when a model is asked."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.datasets.label_noise import MAX_EXAMINED

# Kaufman et al., *Leakage in Data Mining* (ACM TKDD 6, 2012), call such columns target leakage.
MIN_BALANCED_ACCURACY = 0.99
_FOLDS = 3
_MIN_ITEMS = 30
# A tree with a leaf for every row would learn names by heart.
_MIN_LEAF = 2


def find_giveaways(rows: Sequence[Mapping[str, Any]], targets: NDArray[np.int64], *, seed: int) -> list[str]:
    """Return the names of columns from each of which alone a decision tree tells nearly all labels of unseen rows.

    Measured by balanced accuracy, the mean of all classes' recalls, so that a rare class counts as much as a large one.

    Parameters
    ----------
    rows      column → number, word or None
    targets   int64 class numbers, one a row
    """
    chosen = np.random.default_rng(seed).permutation(len(rows))[:MAX_EXAMINED]
    counts = np.bincount(targets[chosen])
    if len(chosen) < _MIN_ITEMS or counts[counts > 0].min() < _FOLDS:
        return []
    columns = dict.fromkeys(name for row in rows for name in row)
    labels = targets[chosen]
    return [name for name in columns if _tells([rows[row].get(name) for row in chosen], labels, seed=seed)]


def _tells(cells: list[Any], labels: NDArray[np.int64], *, seed: int) -> bool:
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    tree = DecisionTreeClassifier(min_samples_leaf=_MIN_LEAF, random_state=seed)
    with warnings.catch_warnings():
        # Of a class so rare that a fold lacks it.
        warnings.filterwarnings("ignore", "y_pred contains classes not in y_true")
        scores = cross_val_score(tree, _numbers(cells), labels, cv=folds, scoring="balanced_accuracy")
    return float(scores.mean()) >= MIN_BALANCED_ACCURACY


def _numbers(cells: list[Any]) -> NDArray[np.float64]:
    """Return a column as numbers, shape (n, 1): words by their order in the alphabet, missing cells as NaN."""
    words = {word: place for place, word in enumerate(sorted({cell for cell in cells if isinstance(cell, str)}))}
    numbers = [np.nan if cell is None else words[cell] if isinstance(cell, str) else cell for cell in cells]
    return np.array(numbers, dtype=np.float64).reshape(-1, 1)
