"""Whether a classifier's labels are declared in another order than its outputs have.

Alphabetical order is tried as it is. Any other is found by the assignment of outputs to classes that gets most items
right (Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics 2, 1955), on each half of the
items, and tried on the other one: the best of so many orders looks better than it is on the items that chose it. Model
and order answer the same items, so that the difference has Tango's paired interval.

How much better an order is does not count, but how sure: two exchanged labels of a hundred are wrong on one item in
fifty. A model that can tell two classes apart is never better under another order, only one that guesses between them
is by chance: of 1,000 such models each, 100 to 2,000 test items, none to two were accused by an interval of 99.9 %, and
up to 19 by one of 95 % and a gain of five points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.evaluating.baselines import share_baseline
from lambent_toolkit.modelkit.quantization_loss import paired_interval

_SURE = 0.999
_FEWEST_ITEMS = 10

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class LabelOrder:
    """Labels in the order that the outputs seem to have.

    ``accuracy`` is that of other orders on the ``items`` that did not choose them.
    """

    labels: tuple[str, ...]
    accuracy: float
    declared_accuracy: float
    items: int
    is_alphabetical: bool


def better_order(best: Numbers, classes: Numbers, labels: Sequence[str], *, commonest: int) -> LabelOrder | None:
    """Return another order of the labels that is surely better than the declared one, None if there is none.

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
    declared = best == classes
    alphabetical = np.array([labels.index(each) for each in sorted(labels)], dtype=np.int64)
    for meaning, meant, is_alphabetical in (
        (alphabetical, alphabetical[best] == classes, True),
        (_assigned(best, classes, len(labels)), _meant_by_the_other_half(best, classes, len(labels)), False),
    ):
        won, lost = int((meant & ~declared).sum()), int((declared & ~meant).sum())
        is_better = paired_interval(won, lost, len(classes), confidence=_SURE)[0] > 0
        if is_better and share_baseline("commonest", meant, classes == commonest).is_beaten:
            return LabelOrder(
                tuple(labels[each] for each in meaning),
                float(meant.mean()),
                float(declared.mean()),
                len(classes),
                is_alphabetical,
            )
    return None


def _meant_by_the_other_half(best: Numbers, classes: Numbers, size: int) -> NDArray[np.bool_]:
    """Return which items are right in the order that the items of the other half assign."""
    meant = np.empty(len(classes), dtype=bool)
    for ours, others in ((slice(None, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(None, None, 2))):
        meant[ours] = _assigned(best[others], classes[others], size)[best[ours]] == classes[ours]
    return meant


def _assigned(best: Numbers, classes: Numbers, size: int) -> Numbers:
    """Return, for each output, the class that it stands for in the best assignment; ties stay as declared."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((size, size))
    np.add.at(counts, (best, classes), 1)
    _, meaning = linear_sum_assignment(counts + 0.5 * np.eye(size) / size, maximize=True)
    found: Numbers = meaning.astype(np.int64)
    return found
