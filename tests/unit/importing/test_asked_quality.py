"""What a person asks of the answers goes into the contract, or is refused with what it is of."""

from __future__ import annotations

import pytest

from builders import contract
from lambent.contracts.model import (
    ModelContract,
    QualityLimits,
    RawOutputs,
    Regression,
    Series,
    TensorPreprocessing,
    TensorSpec,
)
from lambent_toolkit.modelkit.errors import LimitUnfit
from lambent_toolkit.modelkit.importing.quality import series_told, with_quality, with_season


def test_what_is_asked_for_stands_in_the_contract_beside_the_other_limits() -> None:
    kept = QualityLimits(max_accuracy_drop_pt=2.0)

    assert with_quality(contract(quality=kept)).quality == kept
    assert with_quality(contract(quality=kept), min_accuracy=0.9).quality == QualityLimits(
        max_accuracy_drop_pt=2.0, min_accuracy=0.9
    )
    assert with_quality(contract(postprocessing=Regression()), max_rmse=2.5).quality.max_rmse == 2.5


@pytest.mark.parametrize(
    ("answer", "asked", "told"),
    [
        (None, {"max_rmse": 1.0}, "Only a regression"),
        (Regression(), {"min_accuracy": 0.9}, "Only a classifier"),
        (RawOutputs(), {"min_accuracy": 0.9}, "name its --labels"),
        (None, {"min_accuracy": 90.0}, "write 0.9 for 90 %"),
        (None, {"min_accuracy": float("nan")}, "no share"),
        (Regression(), {"max_rmse": 0.0}, "above 0"),
        (Regression(), {"max_rmse": float("inf")}, "above 0"),
    ],
)
def test_a_limit_that_cannot_be_held_is_refused(answer: object, asked: dict[str, float], told: str) -> None:
    made = contract(postprocessing=answer) if answer else contract()

    with pytest.raises(LimitUnfit, match=told):
        with_quality(made, **asked)


def forecast(**changes: object) -> ModelContract:
    fields = {
        "inputs": (
            TensorSpec(name="codes", datatype="FP32", shape=(-1,)),
            TensorSpec(name="window", datatype="FP32", shape=(-1, 24, 2)),
        ),
        "preprocessing": TensorPreprocessing(),
        "postprocessing": Regression(unit="kWh"),
        **changes,
    }
    return contract(**fields)


def test_a_season_is_of_the_window_that_a_forecast_continues() -> None:
    assert with_season(forecast(), None) == forecast()
    assert with_season(forecast(), 12).postprocessing == Regression(
        unit="kWh", series=Series(input="window", period=12)
    )


def test_what_a_forecast_is_taken_to_continue_is_told() -> None:
    (told,) = series_told(with_season(forecast(), 12))

    assert told.startswith(
        "the answer is taken to continue window, its channel 0, 1 step ahead, in a season of 12 steps"
    )
    assert series_told(forecast()) == series_told(contract()) == []


@pytest.mark.parametrize(
    ("made", "period", "told"),
    [
        (contract(), 12, "Only a regression"),
        (contract(postprocessing=Regression()), 12, "postprocessing.series.columns"),
        (forecast(inputs=(TensorSpec(name="codes", datatype="FP32", shape=(-1,)),)), 12, "of a window"),
        (forecast(), 0, "no number of steps"),
    ],
    ids=["classifier", "no tensors", "no window", "none"],
)
def test_a_season_of_what_is_no_forecast_is_refused(made: ModelContract, period: int, told: str) -> None:
    with pytest.raises(LimitUnfit, match=told):
        with_season(made, period)
