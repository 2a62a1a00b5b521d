"""How much worse a variant is than the float model, and how sure that is.

Both models answer the same items, so the items on which they differ carry all that is known: the interval of the drop
comes from those, not from two accuracies taken for independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.evaluating.bootstrap import estimate, mean_of, resample
from lambent_toolkit.modelkit.quantization_report import Loss, WorstClass

CONFIDENCE = 0.95
_POINTS = 100.0
_RESAMPLES = 2000
_BOUNDLESS = 1e9  # JSON has no infinity
_SEED = 20170801


def accuracy_loss(variant_right: NDArray[np.bool_], float_right: NDArray[np.bool_]) -> Loss:
    """Return the drop of accuracy in percentage points with its 95 % interval.

    Parameters
    ----------
    variant_right, float_right   (n,), which items each of the two gets right; at least one item
    """
    n = len(float_right)
    lost = int(np.count_nonzero(float_right & ~variant_right))
    won = int(np.count_nonzero(variant_right & ~float_right))
    low, high = paired_interval(lost, won, n)
    return Loss(
        value=_POINTS * (lost - won) / n,
        low=_POINTS * low,
        high=_POINTS * high,
        only_float_right=lost,
        only_variant_right=won,
    )


def paired_interval(lost: int, won: int, items: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of the difference of two paired proportions, ``(lost - won) / items``.

    Tango's score interval (Statistics in Medicine 17, 1998), which unlike Wald's keeps its coverage for few or no
    discordant items: none in n items still leaves about 3.7 / n in doubt on either side (two-sided 95 %).

    Parameters
    ----------
    lost, won   items that only the first, only the second model gets right
    items       of all, at least 1
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + confidence / 2))
    estimate = (lost - won) / items

    def excess(difference: float) -> float:
        return abs(_tango_score(lost, won, items, difference)) - z

    # At the ends of the scale the score has no variance under the hypothesis: it is beyond any z, or zero.
    low = -1.0 if estimate <= -1 else float(brentq(excess, -1 + 1e-12, estimate))
    high = 1.0 if estimate >= 1 else float(brentq(excess, estimate, 1 - 1e-12))
    return low, high


def _tango_score(lost: int, won: int, items: int, difference: float) -> float:
    """Return the score statistic of the hypothesis that the proportions differ by ``difference``."""
    a = 2 * items
    b = -lost - won + (2 * items - lost + won) * difference
    c = -won * difference * (1 - difference)
    q = max((sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a), 0.0)
    variance = items * (2 * q + difference * (1 - difference))
    deviation = lost - won - items * difference
    if variance <= 0:
        return 0.0 if deviation == 0 else float(np.copysign(np.inf, deviation))
    return deviation / sqrt(variance)


def rmse_loss(variant_values: Array, float_values: Array, targets: NDArray[np.float64]) -> Loss:
    """Return the increase of the RMSE as a share of the float model's, with its 95 % interval by paired bootstrap.

    Parameters
    ----------
    variant_values, float_values, targets   (n,), at least two items; percentile interval of 2,000 resamples, seeded
    """
    from scipy.stats import bootstrap

    squares = ((np.asarray(values, np.float64) - targets) ** 2 for values in (variant_values, float_values))
    variant_squares, float_squares = squares

    def increase(ours: Array, theirs: Array, axis: int = -1) -> Array:
        return _increase(ours.mean(axis=axis), theirs.mean(axis=axis))

    interval = bootstrap(
        (variant_squares, float_squares),
        increase,
        paired=True,
        n_resamples=_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Loss(
        value=float(increase(variant_squares, float_squares)), low=float(interval.low), high=float(interval.high)
    )


def output_loss(outputs: Sequence[Array], reference: Sequence[Array]) -> Loss:
    """Return the relative error of the worst of some outputs, with its 95 % interval by bootstrap of the items.

    Parameters
    ----------
    outputs, reference   of each output, (items, …); percentile interval of 2,000 resamples, seeded
    """
    pairs = list(zip(outputs, reference, strict=True))
    ours, theirs = max(pairs, key=lambda pair: relative_error(*pair))
    squares = np.stack([_item_squares(ours.astype(np.float64) - theirs), _item_squares(theirs)], axis=1)
    # In the order of one, so that the sums of a resample neither vanish nor overflow.
    samples = resample(len(theirs), {"squares": mean_of(squares / max(float(squares.max()), 1e-300))})["squares"]
    found = estimate(relative_error(ours, theirs), np.sqrt(_ratio(samples[:, 0], samples[:, 1])))
    low, high = (found.value if each is None else each for each in (found.low, found.high))
    return Loss(value=found.value, low=low, high=high)


def relative_error(values: Array, reference: Array, *, around: float = 0.0) -> float:
    """Return the root mean square of the difference, as a share of that of ``reference - around``.

    0 where there is no difference at all, also of zeros; at most as good as infinite where the reference is nothing.
    """
    errors, sizes = (float(np.mean(each**2)) for each in _differences(values, reference, around))
    return float(np.sqrt(_ratio(np.array(errors), np.array(sizes))))


def _differences(values: Array, reference: Array, around: float) -> tuple[Array, Array]:
    expected = reference.astype(np.float64)
    return values.astype(np.float64) - expected, expected - around


def _item_squares(values: Array) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = (values.reshape(len(values), -1).astype(np.float64) ** 2).mean(axis=1)
    return squares


def _ratio(errors: Array, sizes: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(errors == 0, 0.0, np.minimum(errors / sizes, _BOUNDLESS))


def _increase(ours: Array, theirs: Array) -> Array:
    # A float model without any error has no share to lose: equal is no loss, anything else as good as infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.minimum(np.sqrt(ours) / np.sqrt(theirs) - 1.0, _BOUNDLESS)
    return np.where(np.asarray(ours) == np.asarray(theirs), 0.0, ratio)


def worst_class(
    variant_right: NDArray[np.bool_],
    float_right: NDArray[np.bool_],
    classes: NDArray[np.int64],
    labels: Sequence[str],
) -> WorstClass | None:
    """Return the class that loses most accuracy (the first of equal ones); None if no class loses any."""
    worst: WorstClass | None = None
    for number in np.unique(classes):
        mask = classes == number
        items = int(mask.sum())
        drop_pt = _POINTS * (int(float_right[mask].sum()) - int(variant_right[mask].sum())) / items
        if drop_pt > (worst.drop_pt if worst else 0.0):
            worst = WorstClass(label=labels[int(number)], drop_pt=drop_pt, items=items)
    return worst
