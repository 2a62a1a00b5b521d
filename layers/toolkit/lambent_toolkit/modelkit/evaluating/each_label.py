"""Classifiers that score each label for itself, so that one item may have several labels or none.

Data with one class an item says of such a model which label must be among its answers, not which must not: there is no
accuracy to measure. What can be told is how often the label that an item has is among those that it is answered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification
from lambent_toolkit.modelkit.evaluating.calibration import are_probabilities

EACH_FOR_ITSELF = (
    "each label is scored for itself (sigmoid), so an item may have several, and whether the best label is right says "
    "little"
)
UNMEASURED = (
    "each label is scored for itself (sigmoid), so an item may have several, but the data names one label an item: "
    "whether the best label is that one is no accuracy of such a model. Give a list of labels an item, in a file of "
    "tensors; or, if exactly one label is right for an item, declare activation softmax on its logits, or end the "
    "model with softmax"
)
# The threshold where the contract has none: the more likely of the two for each label.
EVEN = 0.5
_MOST_SUMMING_TO_ONE = 0.5


def is_each_label_for_itself(scores: NDArray[np.float64], spec: Classification) -> bool:
    """Return whether scores, (items, labels), are no distribution over the labels but a probability for each.

    Either the contract declares sigmoid, or, with activation none, scores lie in 0 to 1 and those of most items sum to
    something else than one.
    """
    if scores.shape[1] < 2 or not are_probabilities(scores, is_one_right=False):  # noqa: PLR2004 - one label has no others
        return False
    sums_to_one = np.array([are_probabilities(row[None], is_one_right=True) for row in scores])
    if spec.activation == "sigmoid":
        return not bool(sums_to_one.all())
    return spec.activation == "none" and float(sums_to_one.mean()) < _MOST_SUMMING_TO_ONE


def decisions(scores: NDArray[np.float64], spec: Classification) -> NDArray[np.bool_]:
    """Return which labels each item is answered, (items, labels): those that reach the threshold, or one half."""
    found: NDArray[np.bool_] = scores >= (spec.threshold or EVEN)
    return found
