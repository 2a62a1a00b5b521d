"""How well scores rank the classes: top-k, and the area under the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.evaluating.bootstrap import (
    UNGROUPED,
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
from lambent_toolkit.modelkit.report import Estimate, TopK

KS = (2, 3, 5, 10)


def true_ranks(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many labels stand before the true one, (items,): 0 where it is the answer.

    Of equal scores the first label stands first, as in serving; scikit-learn's top-k puts the last one first.
    """
    true = scores[np.arange(len(classes)), classes][:, None]
    is_before = np.arange(scores.shape[1]) < classes[:, None]
    ranks: NDArray[np.int64] = ((scores > true) | ((scores == true) & is_before)).sum(axis=1)
    return ranks


def top_k(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> list[TopK]:
    """Return the top-k accuracy for every k up to half of the labels, so that guessing does not reach it."""
    ranks = true_ranks(scores, classes)
    wanted = [k for k in KS if 2 * k <= scores.shape[1]]
    samples = resample(len(classes), {str(k): mean_of(ranks < k) for k in wanted}) if wanted else {}
    found = [(k, share(int((ranks < k).sum()), len(ranks), samples[str(k)])) for k in wanted]
    return [TopK(k=k, accuracy=estimated) for k, estimated in found if estimated]


def areas(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> tuple[Estimate | None, list[Estimate | None]]:
    """Return the mean area under the ROC curve, and that of each class against the rest.

    None for a class of which there is no item, or nothing but items. The interval is left out where items x classes
    is so large that not even 200 resamples are affordable.
    """
    from sklearn.metrics import roc_auc_score

    size = scores.shape[1]
    present = np.flatnonzero((counts := np.bincount(classes, minlength=size)) * (len(classes) - counts))
    values = {int(each): float(roc_auc_score(classes == each, scores[:, each])) for each in present}
    if not values:
        return None, [None] * size
    samples = affordable_resamples(len(classes), [weighted_area(scores[:, each], classes == each) for each in values])
    each_class: list[Estimate | None] = [None] * size
    for column, (number, value) in enumerate(values.items()):
        each_class[number] = estimate(value, samples[:, column])
    # A resample may lack a class; its mean is then over the others, as that of the items themselves.
    defined = np.isfinite(samples)
    means = np.where(defined, samples, 0).sum(axis=1) / np.maximum(defined.sum(axis=1), 1)
    means[~defined.any(axis=1)] = np.nan
    return estimate(float(np.mean(list(values.values()))), means), each_class


def weighted_area(scores: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> Statistic:
    """Return the area under the ROC curve as a statistic; NaN where positives or negatives are missing.

    It is the share of pairs of a positive and a negative item that the scores put in order, ties counting half.
    """
    _, levels = np.unique(scores, return_inverse=True)
    # Only levels that a positive item has count; the negatives between two of them are summed up.
    marked = np.unique(levels[is_positive])
    places = np.searchsorted(marked, levels)
    is_between = (places == len(marked)) | (marked[np.minimum(places, len(marked) - 1)] != levels)
    size = len(marked)
    own = np.where(is_positive, places, UNGROUPED)
    tied = np.where(is_positive | is_between, UNGROUPED, places)
    between = np.where(is_between, places, UNGROUPED)

    def area(weights: Weights) -> Floats:
        positives, ties = group_sums(weights, own, size), group_sums(weights, tied, size)
        gaps = group_sums(weights, between, size + 1)
        below = np.cumsum(gaps[:, :-1] + ties, axis=1) - 0.5 * ties
        pairs = positives.sum(axis=1) * (gaps.sum(axis=1) + ties.sum(axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(pairs > 0, (positives * below).sum(axis=1) / pairs, np.nan)

    return area
