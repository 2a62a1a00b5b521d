"""Whether two models that answered the same items differ, and by how much.

Only the items on which one is right and the other wrong tell anything. McNemar's test (Psychometrika 12, 1947) asks
whether the two kinds of them are equally common, here in its mid-p version: the exact binomial test is so timid for few
items that it contradicts Tango's interval, and never rejects as often as it may (Fagerland, Lydersen and Laake, BMC
Medical Research Methodology 13:91, 2013, who advise against it).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from lambent_toolkit.modelkit.evaluating.bootstrap import Floats, mean_of, resample

LEVEL = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Significance:
    """What a test said: ``p_value`` is two-sided, ``method`` names the test."""

    p_value: float
    method: str


@dataclass(frozen=True)
class ErrorDifference:
    """First model's error - the second's, with its 95 % interval: above zero, the second is better.

    ``significance`` is of the hypothesis that both errors are equal.
    """

    value: float
    low: float
    high: float
    significance: Significance


def mcnemar(first_only: int, second_only: int) -> Significance:
    """Test whether two classifiers are right equally often.

    Parameters
    ----------
    first_only, second_only   items that only the first, only the second gets right
    """
    from scipy.stats import binom

    discordant = first_only + second_only
    if not discordant:
        return Significance(1.0, "McNemar, no item differs")
    smaller = min(first_only, second_only)
    # Half of the probability of what was seen; twice that, as the test has two sides.
    mid = 2 * float(binom.cdf(smaller, discordant, 0.5)) - float(binom.pmf(smaller, discordant, 0.5))
    return Significance(min(1.0, mid), "McNemar, mid-p")


def error_difference(first_errors: Floats, second_errors: Floats, *, is_root: bool) -> ErrorDifference:
    """Compare two regressions by a paired bootstrap: the same resamples of the items for both.

    Parameters
    ----------
    first_errors, second_errors   (items,), squared errors for the RMSE, absolute ones for the MAE
    is_root                       whether the mean's root is taken
    """
    both = mean_of(np.stack([first_errors, second_errors], axis=1))
    samples = resample(len(first_errors), {"both": both})["both"]
    means = np.array([[first_errors.mean(), second_errors.mean()]])
    if is_root:
        samples, means = np.sqrt(samples), np.sqrt(means)
    found = samples[:, 0] - samples[:, 1]
    low, high = np.percentile(found, (2.5, 97.5))
    # The share of resamples on the far side of zero; the one added keeps it from a certainty that 2,000 cannot give.
    beyond = min((found <= 0).sum(), (found >= 0).sum())
    p_value = min(1.0, 2 * (int(beyond) + 1) / (len(found) + 1))
    return ErrorDifference(
        float(means[0, 0] - means[0, 1]), float(low), float(high), Significance(p_value, "paired bootstrap")
    )


def items_to_show(difference: float, discordant: float) -> int:
    """Return how many items show a difference of accuracy with a power of 80 % at the level of 5 %.

    Connor, "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43, 1987.

    Parameters
    ----------
    difference   of the two accuracies, not zero
    discordant   share of the items on which one is right and the other wrong, at least as large
    """
    from scipy.stats import norm

    alpha, beta = norm.ppf(1 - LEVEL / 2), norm.ppf(POWER)
    spread = alpha * sqrt(discordant) + beta * sqrt(max(discordant - difference**2, 0.0))
    return ceil((spread / difference) ** 2)
