"""Whether a classifier's labels are declared in another order than its outputs have.

Alphabetical order is tried as it is. Any other is found by the assignment of outputs to classes that gets most items
right (Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics 2, 1955), on one half of the
items, and tried on the other half: the best of so many orders looks better than it is on the items that chose it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.evaluating.baselines import share_baseline

# A gain of fewer points may be two classes that the model takes for one another.
LEAST_GAIN = 0.05
_FEWEST_ITEMS = 10

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class LabelOrder:
    """Labels in the order that the outputs seem to have: ``accuracy`` with it, on ``items`` that did not choose it."""

    labels: tuple[str, ...]
    accuracy: float
    declared_accuracy: float
    items: int
    is_alphabetical: bool


def better_order(best: Numbers, classes: Numbers, labels: Sequence[str], *, commonest: int) -> LabelOrder | None:
    """Return another order of the labels that is much better than the declared one, None if there is none.

    Parameters
    ----------
    best        (items,), number of the best output
    classes     (items,), true classes by the declared labels
    labels      as declared
    commonest   class of the training part, which the other order must beat: a poor model's outputs can always be
                called so that the one it answers most is the commonest class
    """
    if len(classes) < _FEWEST_ITEMS:
        return None
    alphabetical = np.array([labels.index(each) for each in sorted(labels)], dtype=np.int64)
    everything = np.ones(len(classes), dtype=bool)
    chosen, tried = everything.copy(), everything.copy()
    chosen[1::2], tried[::2] = False, False
    for meaning, items, is_alphabetical in (
        (alphabetical, everything, True),
        (_assigned(best[chosen], classes[chosen], len(labels)), tried, False),
    ):
        declared, meant = best[items] == classes[items], meaning[best[items]] == classes[items]
        gain = share_baseline("declared", meant, declared).better_by
        beats_guessing = share_baseline("commonest", meant, classes[items] == commonest).is_beaten
        if beats_guessing and gain.value >= LEAST_GAIN and (gain.low or 0) > 0:
            return LabelOrder(
                tuple(labels[each] for each in meaning),
                float(meant.mean()),
                float(declared.mean()),
                int(items.sum()),
                is_alphabetical,
            )
    return None


def _assigned(best: Numbers, classes: Numbers, size: int) -> Numbers:
    """Return, for each output, the class that it stands for in the best assignment; ties stay as declared."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((size, size))
    np.add.at(counts, (best, classes), 1)
    _, meaning = linear_sum_assignment(counts + 0.5 * np.eye(size) / size, maximize=True)
    found: Numbers = meaning.astype(np.int64)
    return found
