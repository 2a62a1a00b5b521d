"""Scores into labels."""

from __future__ import annotations

import numpy as np

from lambent.contracts.media import LabelScore, MediaPrediction
from lambent.contracts.model import Classification
from lambent.contracts.tensor import Array


def label_rows(scores: Array, spec: Classification, *, top_k: int) -> list[MediaPrediction]:
    """Return the best labels of each row.

    Parameters
    ----------
    scores : ndarray    float, shape (rows, labels): probabilities, or logits if ``spec.activation`` is softmax
    spec                the contract's classification
    top_k : int         how many labels to return a row, from 1

    Returns
    -------
    list of MediaPrediction, one a row, ``top`` in falling order of score
    """
    rows = scores.reshape(len(scores), -1).astype(np.float64)
    if spec.activation == "softmax":
        rows = np.exp(rows - rows.max(axis=1, keepdims=True))
        rows /= rows.sum(axis=1, keepdims=True)
    return [_label_row(row, spec.labels, min(top_k, len(spec.labels))) for row in rows]


def _label_row(row: Array, labels: tuple[str, ...], top_k: int) -> MediaPrediction:
    # Stable, so that equal scores keep the order of the labels everywhere.
    order = np.argsort(-row, kind="stable")[:top_k]
    top = [LabelScore(labels[index], round(float(row[index]), 6)) for index in order]
    return MediaPrediction(top[0].label, top[0].score, top)
