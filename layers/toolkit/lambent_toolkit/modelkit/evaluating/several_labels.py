"""The figures of a classifier that scores each label for itself, on items whose labels are all known.

Each label is a question of its own, answered yes where its score reaches the threshold. Macro figures are means over
the labels for which they are defined, micro figures count all answers of all labels together. The average precision
needs no threshold: it is the area under the steps of precision over recall, as scikit-learn's
``average_precision_score`` has it, and that of scores which say nothing is about the label's prevalence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification
from lambent_toolkit.modelkit.evaluating.bootstrap import (
    SEED,
    Floats,
    Statistic,
    Weights,
    affordable_resamples,
    estimate,
    group_sums,
    mean_of,
    resample,
    share,
)
from lambent_toolkit.modelkit.evaluating.each_label import EVEN, decisions
from lambent_toolkit.modelkit.report import Estimate, LabelFigures, SeveralLabelsFigures

Matrix = NDArray[np.bool_]
# Items x labels x permutations, about a second.
_BUDGET = 5e7
_FEWEST_PERMUTATIONS, _MOST_PERMUTATIONS = 399, 999
_PARTS = ("precision", "recall", "f1")


def several_labels_figures(scores: Floats, truths: Matrix, spec: Classification) -> SeveralLabelsFigures:
    """Return everything that is measured of such a classifier.

    Parameters
    ----------
    scores   (items, labels), from 0 to 1; at least one item
    truths   the same shape, which labels an item has
    spec     the contract's, whose threshold counts, or one half
    """
    said, items = decisions(scores, spec), len(truths)
    samples = resample(
        items,
        {
            "counts": _Counts(said, truths),
            "exact": mean_of((said == truths).all(axis=1)),
            "right": mean_of((said == truths).mean(axis=1)),
        },
    )
    values, spread = _Counts(said, truths)(np.ones((1, items), np.float32))[0], samples["counts"]
    precisions = average_precision_samples(scores, truths)
    named = _by_name(values, spread, truths.shape[1])
    return SeveralLabelsFigures(
        threshold=spec.threshold or EVEN,
        mean_average_precision=_mean_precision(scores, truths, precisions),
        micro={name: _estimated(*named["micro"][name]) for name in _PARTS},
        macro={name: _estimated(*named["macro"][name]) for name in _PARTS},
        exact_match=share(int((said == truths).all(axis=1).sum()), items, samples["exact"]),
        label_accuracy=estimate(float((said == truths).mean()), samples["right"]),
        labels=[
            LabelFigures(
                label=label,
                items=int(truths[:, each].sum()),
                answered=int(said[:, each].sum()),
                prevalence=float(truths[:, each].mean()),
                precision=_share(said[:, each], truths[:, each], named[each]["precision"]),
                recall=_share(truths[:, each], said[:, each], named[each]["recall"]),
                f1=_estimated(*named[each]["f1"]),
                average_precision=_precision_of(scores[:, each], truths[:, each], precisions[:, each]),
            )
            for each, label in enumerate(spec.labels)
        ],
    )


class _Counts:
    """Precision, recall and F1 of every label, then micro, then macro, as one: (resamples, 3 * (labels + 2))."""

    def __init__(self, said: Matrix, truths: Matrix) -> None:
        self._means = mean_of(np.concatenate([said & truths, said, truths], axis=1))
        self._size = truths.shape[1]

    def __call__(self, weights: Weights) -> Floats:
        hits, said, true = np.split(self._means(weights), 3, axis=1)
        labels = _ratios(hits, said, true)
        micro = _ratios(*(each.sum(axis=1, keepdims=True) for each in (hits, said, true)))
        macro = [_mean_of_defined(each)[:, None] for each in labels]
        return np.concatenate([*labels, *micro, *macro], axis=1)


def _ratios(hits: Floats, said: Floats, true: Floats) -> list[Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return [hits / said, hits / true, 2 * hits / (said + true)]


def _mean_of_defined(figures: Floats) -> Floats:
    defined = np.isfinite(figures)
    sums = np.where(defined, figures, 0).sum(axis=1)
    means: Floats = np.where(defined.any(axis=1), sums / np.maximum(defined.sum(axis=1), 1), np.nan)
    return means


def _by_name(values: Floats, samples: Floats, size: int) -> dict[int | str, dict[str, tuple[float, Floats]]]:
    """Return figure and resamples of label number, "micro" and "macro", by precision, recall and F1."""
    columns: dict[int | str, list[int]] = {each: [each, size + each, 2 * size + each] for each in range(size)}
    columns |= {"micro": [3 * size + each for each in range(3)], "macro": [3 * size + 3 + each for each in range(3)]}
    return {
        key: {name: (float(values[at]), samples[:, at]) for name, at in zip(_PARTS, places, strict=True)}
        for key, places in columns.items()
    }


def _estimated(value: float, samples: Floats) -> Estimate | None:
    return None if np.isnan(value) else estimate(value, samples)


def _share(of: NDArray[np.bool_], among: NDArray[np.bool_], figure: tuple[float, Floats]) -> Estimate | None:
    return share(int((of & among).sum()), int(of.sum()), figure[1])


def _precision_of(scores: Floats, truth: NDArray[np.bool_], samples: Floats) -> Estimate | None:
    """Return a label's average precision; None where no test item has it."""
    return estimate(_average_precision(scores, truth), samples) if truth.any() else None


def _mean_precision(scores: Floats, truths: Matrix, samples: Floats) -> Estimate | None:
    value = mean_average_precision(scores, truths)
    return None if value is None else estimate(value, _mean_of_defined(samples[:, truths.any(axis=0)]))


def mean_average_precision(scores: Floats, truths: Matrix) -> float | None:
    """Return the mean of the average precisions of all labels that occur, None if none does."""
    present = np.flatnonzero(truths.any(axis=0))
    values = [_average_precision(scores[:, each], truths[:, each]) for each in present]
    return float(np.mean(values)) if values else None


def _average_precision(scores: Floats, truth: NDArray[np.bool_]) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores))


def average_precision_samples(scores: Floats, truths: Matrix) -> Floats:
    """Return the average precisions of every resample, (resamples, labels); NaN of a label that it lacks.

    One row of NaN where items x labels is so large that not even 200 resamples are affordable.
    """
    labels = range(truths.shape[1])
    return affordable_resamples(
        len(truths), [weighted_average_precision(scores[:, each], truths[:, each]) for each in labels]
    )


def chance_precisions(scores: Floats, truths: Matrix) -> Floats:
    """Return the mean average precision that the scores have for the labels of other items, (permutations,); seeded.

    Scores that say nothing have a higher one than the labels' prevalence where labels are rare, so that chance itself
    is asked (Ojala and Garriga, "Permutation tests for studying classifier performance", Journal of Machine Learning
    Research 11, 2010).
    """
    random, items = np.random.default_rng(SEED), len(truths)
    present = np.flatnonzero(truths.any(axis=0))
    times = int(np.clip(_BUDGET / truths.size, _FEWEST_PERMUTATIONS, _MOST_PERMUTATIONS))
    orders = [np.argsort(-scores[:, each], kind="stable") for each in present]
    # Equal scores are one step: it ends where the next score is another.
    ends = [
        np.append(np.flatnonzero(np.diff(scores[order, each])), items - 1)
        for order, each in zip(orders, present, strict=True)
    ]
    found = np.empty(times)
    for turn in range(times):
        shuffled = truths[random.permutation(items)]
        precisions = []
        for each, order, end in zip(present, orders, ends, strict=True):
            hits = np.cumsum(shuffled[order, each])[end]
            precisions.append((np.diff(hits, prepend=0) * hits / (end + 1)).sum() / hits[-1])
        found[turn] = np.mean(precisions)
    return found


def weighted_average_precision(scores: Floats, truth: NDArray[np.bool_]) -> Statistic:
    """Return the average precision as a statistic; NaN where no positive item was drawn. Equal scores are one step."""
    _, levels = np.unique(-scores, return_inverse=True)
    # Precision counts where recall grows: at the levels that a positive item has.
    marked = np.unique(levels[truth])
    size = len(marked)
    reached = np.searchsorted(marked, levels)
    counted = np.where(reached == size, -1, reached)
    own = np.where(truth, reached, -1)

    def precision(weights: Weights) -> Floats:
        gained = group_sums(weights, own, size)
        hits, said = np.cumsum(gained, axis=1), np.cumsum(group_sums(weights, counted, size), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            steps = np.where(said > 0, gained * hits / said, 0).sum(axis=1)
            return np.where(hits[:, -1:].sum(axis=1) > 0, steps / hits[:, -1:].sum(axis=1), np.nan)

    return precision
