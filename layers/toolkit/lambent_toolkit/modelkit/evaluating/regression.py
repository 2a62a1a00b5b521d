"""The figures of a regression on items whose number is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.evaluating.bootstrap import Floats, Statistic, Weights, estimate, mean_of, resample
from lambent_toolkit.modelkit.report import RegressionFigures, RegressionMistake

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
WORST_MISTAKES = 24
_TOO_FEW_FOR_R2 = 2


def regression_figures(
    values: Floats, targets: Floats, *, unit: str | None, naive_error: float | None = None
) -> RegressionFigures:
    """Return everything that is measured of a regression.

    Parameters
    ----------
    values        (items,), its answers; at least one
    targets       (items,), the true numbers
    unit          of both
    naive_error   mean absolute error of the (seasonal) naive forecast on the training part, above 0; None of what is no
                  forecast
    """
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    residuals = values - targets
    squares = mean_of(residuals**2)
    statistics: dict[str, Statistic] = {
        "rmse": lambda weights: np.sqrt(squares(weights)),
        "mae": mean_of(np.abs(residuals)),
        "bias": mean_of(residuals),
        "r2": weighted_r2(residuals, targets),
        "quantiles": weighted_quantiles(residuals, QUANTILES),
    }
    samples = resample(len(targets), statistics)
    r2 = determination(values, targets)
    mae = float(mean_absolute_error(targets, values))
    worst = np.argsort(-np.abs(residuals), kind="stable")[:WORST_MISTAKES]
    return RegressionFigures(
        unit=unit,
        rmse=estimate(float(root_mean_squared_error(targets, values)), samples["rmse"]),
        mae=estimate(mae, samples["mae"]),
        r2=None if r2 is None else estimate(r2, samples["r2"]),
        bias=estimate(float(residuals.mean()), samples["bias"]),
        residual_quantiles={
            f"{each:g}": estimate(
                float(np.quantile(residuals, each, method="inverted_cdf")), samples["quantiles"][:, column]
            )
            for column, each in enumerate(QUANTILES)
        },
        mistakes=[
            RegressionMistake(item=int(row), truth=float(targets[row]), answer=float(values[row])) for row in worst
        ],
        mase=None if naive_error is None else estimate(mae / naive_error, samples["mae"] / naive_error),
    )


def determination(values: Floats, targets: Floats) -> float | None:
    """Return R², the share of the targets' variance that is explained; None where they have none."""
    from sklearn.metrics import r2_score

    if len(targets) < _TOO_FEW_FOR_R2 or np.ptp(targets) == 0:
        return None
    return float(r2_score(targets, values))


def weighted_r2(residuals: Floats, targets: Floats) -> Statistic:
    """Return R² as a statistic; NaN where all targets that were drawn are equal."""
    # Around their mean, so that the difference of two large sums does not eat the digits.
    centred = targets - targets.mean()
    parts = mean_of(np.stack([residuals**2, centred, centred**2], axis=1))

    def r2(weights: Weights) -> Floats:
        error, mean, square = parts(weights).T
        variance = square - mean**2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(variance > 1e-12 * np.maximum(square, 1e-300), 1 - error / variance, np.nan)

    return r2


def weighted_quantiles(values: NDArray[np.float64], shares: Sequence[float]) -> Statistic:
    """Return quantiles (the inverted distribution function, which is always one of the values) as a statistic."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]

    def quantiles(weights: Weights) -> Floats:
        reached = np.cumsum(np.take(weights, order, axis=1), axis=1)
        wanted = [max(share * weights.shape[1] - 1e-6, 0.5) for share in shares]
        return np.stack([ordered[(reached < each).sum(axis=1)] for each in wanted], axis=1)

    return quantiles
