"""Forecasts that are made of a series' past alone, which a model of that series must beat.

The naive forecast is the last value that is known, the seasonal naive one that of the same step a season ago:
benchmarks of the M4 competition (Makridakis, Spiliotis and Assimakopoulos, International Journal of Forecasting 36,
2020) and of the M5 (the same, 38, 2022). A forecast so many ``steps_ahead`` as make up more than a season repeats the
last season that is known (Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, section
5.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

import msgspec
import numpy as np

from lambent.contracts.model import ModelContract, Regression, Series, TabularPreprocessing, TensorPreprocessing
from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.evaluating.continuation import find_continuation, share_amid_training
from lambent_toolkit.modelkit.recipe import Prepared, Split

NAIVE, SEASONAL = "naive forecast", "seasonal naive forecast"


@dataclass(frozen=True)
class Forecast:
    """What is answered from the past alone, in the answer's unit: of each training item and each test item."""

    name: str
    train: Floats
    test: Floats


@dataclass(frozen=True)
class Forecasts:
    """All that could be made.

    Parameters
    ----------
    found      the naive forecast, then the seasonal one
    left_out   what could not be made → why
    amid       share of the test items whose window lies among those of the training part, one step beside one of them
    """

    found: tuple[Forecast, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    amid: float = 0.0

    def scale(self, train: Floats) -> float | None:
        """Return the mean absolute error of the last forecast on the training part: what the MASE is in units of.

        Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting 22,
        2006; by the season where there is one, as in the M4. None without a forecast, or where it never errs.

        Parameters
        ----------
        train   (n,), the training part's targets
        """
        error = float(np.abs(self.found[-1].train - train).mean()) if self.found else 0.0
        return error or None


def naive_forecasts(contract: ModelContract, split: Split) -> Forecasts:
    """Return the forecasts from the past that a regression's contract declares, or that the windows show themselves.

    Parameters
    ----------
    contract   of a regression
    split      of which training and test items are forecast
    """
    spec: Regression = contract.postprocessing  # type: ignore[assignment] - a regression
    series = spec.series
    if series is None:
        series = find_continuation(contract, split)
        if series is None:
            return _none(contract)
        undeclared = "declare the season's steps as postprocessing.series.period in the contract, or by --season"
    else:
        undeclared = "the contract declares no season (postprocessing.series.period is 1)"
    naive, seasonal = series.steps_ahead, series.period * ceil(series.steps_ahead / series.period)
    if series.columns:
        naive = min(series.columns.values())
        seasonal = series.period * ceil(naive / series.period)
    wanted = {f"{NAIVE} (the last known value)": naive}
    if series.period > 1:
        wanted[f"{SEASONAL} (the value of {seasonal} steps before)"] = seasonal
    found, left_out = [], {} if series.period > 1 else {SEASONAL: undeclared}
    for name, lag in wanted.items():
        before = f"{lag} step{'s' if lag > 1 else ''} before the answer"
        made = [_past(part, contract, series, lag) for part in (split.train, split.test)]
        if any(each is None for each in made):
            left_out[name] = f"the past that items hold has no value of {before}"
        elif not all(np.isfinite(each).all() for each in made):  # type: ignore[arg-type] - none is None
            left_out[name] = f"some items lack the value of {before}"
        else:
            found.append(Forecast(name, *made))  # type: ignore[arg-type] - none is None
    amid = 0.0 if series.columns else share_amid_training(split, series.input or contract.inputs[0].name)
    return Forecasts(tuple(found), left_out, amid)


def _none(contract: ModelContract) -> Forecasts:
    if isinstance(contract.preprocessing, TabularPreprocessing | TensorPreprocessing):
        why = (
            "nothing says that the answer continues a series: if it does, declare where its past stands as "
            "postprocessing.series in the contract"
        )
    else:
        why = "an item holds no past of the number that is answered"
    return Forecasts(left_out={f"{NAIVE}, {SEASONAL}": why})


def _past(part: Prepared, contract: ModelContract, series: Series, lag: int) -> Floats | None:
    """Return what stood ``lag`` steps before each item's answer, NaN where an item lacks it; None if none has it."""
    if series.columns:
        column = next((name for name, steps in series.columns.items() if steps == lag), None)
        if column is None:
            return None
        cells = [msgspec.json.decode(item).get(column) for item in part.items]
        values = np.array([float(cell) if isinstance(cell, int | float) else np.nan for cell in cells])
    else:
        window = part.tensors[series.input or contract.inputs[0].name].astype(np.float64)
        back = lag - series.steps_ahead + 1
        if back > window.shape[1]:
            return None
        values = window[:, -back] if window.ndim == 2 else window[:, -back, series.channel]  # noqa: PLR2004 - no channels
    past: Floats = values * series.scale + series.offset
    return past
