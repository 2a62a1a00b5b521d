"""Whether a classifier's confidence can be trusted: reliability, ECE, log loss and Brier score.

ECE: the expected calibration error of the best label's score over 15 bins of equal width (Guo et al., "On Calibration
of Modern Neural Networks", ICML 2017). It is above zero on any finite data, also for a model that is perfectly
calibrated, so it comes with what such a model would show: right answers are drawn by the very confidences, 2,000 times
(consistency resampling, Bröcker and Smith, Weather and Forecasting 22, 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.evaluating.bootstrap import RESAMPLES, SEED, Floats, estimate, mean_of, resample, wilson
from lambent_toolkit.modelkit.report import Reliability, ReliabilityBin

BINS = 15
# Quantized scores round to zero, and the logarithm of zero says nothing: half a step of a 24-bit mantissa.
_SMALLEST = 2.0**-24
_ROUNDING = 0.02
_CHUNK_VALUES = 1 << 22


def reliability(
    scores: NDArray[np.float64], classes: NDArray[np.int64], *, temperature: float, is_one_right: bool
) -> Reliability:
    """Return how far scores at a temperature can be trusted.

    Parameters
    ----------
    scores         (items, labels), probabilities
    classes        (items,), the true ones
    temperature    that the scores are of
    is_one_right   whether the scores are one distribution over the labels; if not, each is a probability of its own,
                   and log loss and Brier score are sums over the labels
    """
    confidence = scores.max(axis=1)
    right = scores.argmax(axis=1) == classes
    losses, briers = log_losses(scores, classes, is_one_right=is_one_right), brier_scores(scores, classes)
    samples = resample(len(classes), {"both": mean_of(np.stack([losses, briers], 1).astype(np.float32))})["both"]
    expected, limit = calibrated_ece(confidence)
    return Reliability(
        temperature=temperature,
        ece=ece(confidence, right),
        ece_expected=expected,
        ece_limit=limit,
        log_loss=estimate(float(losses.mean()), samples[:, 0]),
        brier=estimate(float(briers.mean()), samples[:, 1]),
        bins=bins(confidence, right),
    )


def are_probabilities(scores: NDArray[np.float64], *, is_one_right: bool) -> bool:
    """Return whether scores lie in 0 to 1 and, where one label is right, sum to one but for quantization's rounding."""
    if (scores < 0).any() or (scores > 1 + _ROUNDING).any():
        return False
    # Each score is rounded for itself, so that the sum may be off by half a step a label.
    allowed = _ROUNDING + scores.shape[1] / 512
    return not is_one_right or bool((np.abs(scores.sum(axis=1) - 1) <= allowed).all())


def log_losses(scores: NDArray[np.float64], classes: NDArray[np.int64], *, is_one_right: bool) -> Floats:
    """Return -log of the probability given to the truth, item by item, in nats."""
    rows = np.arange(len(classes))
    if is_one_right:
        # Quantized scores sum to about one only.
        chosen = scores[rows, classes] / scores.sum(axis=1)
        return -np.log(np.clip(chosen, _SMALLEST, 1))
    given = 1 - scores
    given[rows, classes] = scores[rows, classes]
    losses: Floats = -np.log(np.clip(given, _SMALLEST, 1)).sum(axis=1)
    return losses


def brier_scores(scores: NDArray[np.float64], classes: NDArray[np.int64]) -> Floats:
    """Return the squared distance of the scores from the truth, summed over the labels, item by item (Brier, 1950)."""
    distances = scores.copy()
    distances[np.arange(len(classes)), classes] -= 1
    squares: Floats = (distances**2).sum(axis=1)
    return squares


def ece(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error, 0 to 1."""
    gaps = np.bincount(_bin_numbers(confidence), weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def calibrated_ece(confidence: Floats) -> tuple[float, float]:
    """Return mean and 95th percentile of the ECE that a calibrated model of these confidences shows."""
    random = np.random.default_rng(SEED)
    numbers, items = _bin_numbers(confidence), len(confidence)
    is_in_bin = np.eye(BINS, dtype=np.float32)[numbers]
    promised = np.bincount(numbers, weights=confidence, minlength=BINS)
    at_once = max(1, _CHUNK_VALUES // items)
    found = []
    for start in range(0, RESAMPLES, at_once):
        rows = min(at_once, RESAMPLES - start)
        is_right = random.random((rows, items), dtype=np.float32) < confidence.astype(np.float32)
        held = is_right.astype(np.float32) @ is_in_bin
        found.append(np.abs(promised - held).sum(axis=1) / items)
    all_found = np.concatenate(found)
    return float(all_found.mean()), float(np.percentile(all_found, 95))


def bins(confidence: Floats, right: NDArray[np.bool_]) -> list[ReliabilityBin]:
    """Return the bins that hold items, by rising confidence."""
    numbers = _bin_numbers(confidence)
    found = []
    for number in np.unique(numbers):
        inside = numbers == number
        items, hits = int(inside.sum()), int(right[inside].sum())
        low, high = wilson(hits, items)
        mean = float(confidence[inside].mean())
        found.append(ReliabilityBin(items=items, confidence=mean, accuracy=hits / items, low=low, high=high))
    return found


def _bin_numbers(confidence: Floats) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)
    return numbers
