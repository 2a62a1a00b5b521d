"""Confidence intervals by resampling the items.

Percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13): 2,000 seeded
resamples of the items with replacement, and the 2.5 and 97.5 percentiles of the figure over them. Percentiles stay
inside of a figure's range and need no formula for its spread, so one method serves accuracy, F1, AUC and R² alike. The
resamples are not stratified: the test part is itself a sample, and how often each class occurs in it is part of the
doubt. Fewer than about 30 items make the intervals too narrow.

A resample is kept as weights (how often each item was drawn), so that all figures of all resamples are matrix
operations: a few thousand items take about a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.report import Estimate

Floats = NDArray[np.float64]
# float32 holds whole numbers up to 16 million exactly, in half of the memory.
Weights = NDArray[np.float32]
# Weights of some resamples, (resamples, items) → a figure, or several, of each: (resamples,) or (resamples, figures).
Statistic = Callable[[Weights], Floats]

RESAMPLES = 2000
_FEWEST_RESAMPLES = 200
_BUDGET = 5e7  # items x statistics x resamples
SEED = 19790101
CONFIDENCE = 0.95
FEW_ITEMS = 30
UNGROUPED = -1
_CHUNK_VALUES = 1 << 22
# Draws of so many values are kept for the next figures of the same items: drawing takes longer than most figures do.
_KEPT_VALUES = 1 << 27


def resample(
    items: int, statistics: Mapping[str, Statistic], *, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Floats]:
    """Return each statistic of every resample, all of them on the same resamples.

    Parameters
    ----------
    items        how many there are, at least 1
    statistics   by name
    """
    found: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in _weights(items, resamples, seed):
        for name, statistic in statistics.items():
            found[name].append(np.asarray(statistic(weights), dtype=np.float64))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def affordable_resamples(items: int, statistics: Sequence[Statistic]) -> Floats:
    """Return costly statistics, each of which looks at every item, of as many resamples as take about a second.

    The shape is (resamples, statistics): up to `RESAMPLES` rows, or one row of NaN where not even 200 are affordable.
    """
    affordable = int(_BUDGET / (items * len(statistics)))
    if affordable < _FEWEST_RESAMPLES:
        return np.full((1, len(statistics)), np.nan)
    named = {str(number): statistic for number, statistic in enumerate(statistics)}
    found = resample(items, named, resamples=min(RESAMPLES, affordable))
    return np.stack([found[name] for name in named], axis=1)


def ones(items: int) -> Weights:
    """Return the weights of the items as they are, shape (1, items): a statistic of them is the figure itself."""
    return np.ones((1, items), dtype=np.float32)


def estimate(value: float, samples: Floats) -> Estimate:
    """Return a figure with the percentiles of its resamples, (resamples,); those in which it is NaN are left out."""
    defined = samples[np.isfinite(samples)]
    if not len(defined) or np.ptp(defined) == 0:
        return Estimate(value=float(value))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(defined, (tail, 100 - tail))
    return Estimate(value=float(value), low=float(low), high=float(high), method="bootstrap")


def share(hits: int, items: int, samples: Floats) -> Estimate | None:
    """Return a share of items with its interval, by Wilson's formula where all or none are hits; None of no items."""
    if not items:
        return None
    if hits in {0, items}:
        low, high = wilson(hits, items)
        return Estimate(value=hits / items, low=low, high=high, method="wilson")
    return estimate(hits / items, samples)


def wilson(hits: int, items: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share (Journal of the American Statistical Association 22, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(hits, items).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def mean_of(values: NDArray[np.generic]) -> Statistic:
    """Return the weighted mean of values, (items,) or (items, figures), as a statistic.

    It is computed in the values' own precision; float32 is twice as fast, and enough for shares and losses.
    """
    numbers: NDArray[Any] = values if values.dtype.kind == "f" else values.astype(np.float32)

    def mean(weights: Weights) -> Floats:
        means: Floats = (weights @ numbers).astype(np.float64) / weights.shape[1]
        return means

    return mean


def group_sums(weights: Weights, groups: NDArray[np.int64], size: int) -> Floats:
    """Return the sum of the weights, (resamples, items), of each group's items: (resamples, size).

    Parameters
    ----------
    groups   each item's number, 0 to size - 1, or `UNGROUPED`
    """
    order = np.argsort(groups, kind="stable")
    order = order[groups[order] >= 0]
    sums = np.zeros((len(weights), size))
    if len(order):
        present, starts = np.unique(groups[order], return_index=True)
        sums[:, present] = np.add.reduceat(np.take(weights, order, axis=1), starts, axis=1)
    return sums


def _weights(items: int, resamples: int, seed: int) -> Iterator[Weights]:
    drawn = _kept_draws if items * resamples <= _KEPT_VALUES else _draws
    for counts in drawn(items, resamples, seed):
        yield counts.astype(np.float32)


@lru_cache(maxsize=1)
def _kept_draws(items: int, resamples: int, seed: int) -> list[NDArray[np.uint8]]:
    return list(_draws(items, resamples, seed))


def _draws(items: int, resamples: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield how often each item is drawn, some resamples at a time."""
    random = np.random.default_rng(seed)
    at_once = max(1, min(resamples, _CHUNK_VALUES // items))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = random.integers(0, items, (rows, items)) + items * np.arange(rows)[:, None]
        # Of 256 items or more, one being drawn 256 times is as good as impossible: 1 in 10 to the power of 500.
        yield np.bincount(drawn.ravel(), minlength=rows * items).reshape(rows, items).astype(np.uint8)
