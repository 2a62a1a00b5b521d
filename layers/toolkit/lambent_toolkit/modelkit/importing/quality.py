"""What a person asks of a model's answers, as limits in its contract."""

from __future__ import annotations

import msgspec

from lambent.contracts.model import (
    Classification,
    ModelContract,
    QualityLimits,
    Regression,
    Series,
    TensorPreprocessing,
)
from lambent_toolkit.modelkit.errors import LimitUnfit


def with_quality(
    contract: ModelContract, *, min_accuracy: float | None = None, max_rmse: float | None = None
) -> ModelContract:
    """Return the contract with limits that publishing holds the test figures to; None leaves a limit as it is.

    Parameters
    ----------
    min_accuracy   share of test items, 0 to 1
    max_rmse       in the answer's unit, above 0

    Raises
    ------
    LimitUnfit   a limit is out of its range, or of another kind of model
    """
    asked = {
        name: value for name, value in (("min_accuracy", min_accuracy), ("max_rmse", max_rmse)) if value is not None
    }
    if min_accuracy is not None and not isinstance(contract.postprocessing, Classification):
        raise LimitUnfit("Only a classifier has an accuracy: name its --labels, or leave --min-accuracy out.")
    if max_rmse is not None and not isinstance(contract.postprocessing, Regression):
        raise LimitUnfit("Only a regression, which answers one number, has an RMSE: leave --max-rmse out.")
    if min_accuracy is not None and not 0 <= min_accuracy <= 1:
        raise LimitUnfit(f"--min-accuracy {min_accuracy:g} is no share of the items: write 0.9 for 90 %.")
    if max_rmse is not None and not 0 < max_rmse < float("inf"):
        raise LimitUnfit(f"--max-rmse {max_rmse:g} is no error in the answer's unit: write a number above 0.")
    quality = msgspec.convert(msgspec.to_builtins(contract.quality) | asked, QualityLimits)
    return msgspec.structs.replace(contract, quality=quality)


def with_season(contract: ModelContract, period: int | None) -> ModelContract:
    """Return the contract of a forecast with the window that it continues, and its season; None leaves it as it is.

    Parameters
    ----------
    period   steps of a season, 1 for none; the window is the first input of (rows, steps) or (rows, steps, channels)

    Raises
    ------
    LimitUnfit   it is no forecast, or there is no window
    """
    if period is None:
        return contract
    spec = contract.postprocessing
    if not isinstance(spec, Regression):
        raise LimitUnfit("Only a regression, which answers one number, continues a series: leave --season out.")
    windows = [each.name for each in contract.inputs if len(each.shape) in {2, 3}]
    if not isinstance(contract.preprocessing, TensorPreprocessing) or not windows:
        raise LimitUnfit(
            "--season is of a window of tensors, (rows, steps) or (rows, steps, channels): declare in the contract as "
            "postprocessing.series.columns which columns of a table hold the past, or leave it out."
        )
    if period < 1:
        raise LimitUnfit(f"--season {period} is no number of steps: write 12 for the months of a year, 1 for none.")
    series = Series(input=windows[0], period=period)
    return msgspec.structs.replace(contract, postprocessing=msgspec.structs.replace(spec, series=series))


def series_told(contract: ModelContract) -> list[str]:
    """Return in words what a drafted forecast is taken to continue, to be checked; nothing of any other contract."""
    series = contract.postprocessing.series if isinstance(contract.postprocessing, Regression) else None
    if series is None:
        return []
    return [
        (
            f"the answer is taken to continue {series.input}, its channel {series.channel}, {series.steps_ahead} step "
            f"ahead, in a season of {series.period} steps, window and answer in one unit (postprocessing.series)."
        )
    ]
