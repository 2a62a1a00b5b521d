"""Forecasts from the past alone: which value of an item they are, what a model must beat, what is left out and why."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from builders import contract
from lambent.contracts.model import (
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    Regression,
    Series,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
)
from lambent_toolkit.modelkit.evaluating.forecasts import Forecasts, naive_forecasts
from lambent_toolkit.modelkit.evaluating.regression import regression_figures
from lambent_toolkit.modelkit.evaluating.sense import Sense, regression_sense
from lambent_toolkit.modelkit.recipe import Declaration, Prepared, Split

STEPS, PERIOD = 24, 12
Model = Callable[[np.ndarray], np.ndarray]


def declared(series: Series | None = None, *, shape: tuple[int, ...] = (-1, STEPS)) -> ModelContract:
    return contract(
        inputs=(TensorSpec(name="window", datatype="FP32", shape=shape),),
        outputs=(TensorSpec(name="next", datatype="FP32", shape=(-1, 1)),),
        preprocessing=TensorPreprocessing(),
        postprocessing=Regression(series=series, unit="kWh"),
    )


def split_of(windows: np.ndarray, targets: np.ndarray, made: ModelContract | None = None, *, test: int = 0) -> Split:
    """Split windows in their order: the last ones are the test part."""
    first = len(windows) - (test or len(windows) // 3)
    return Split(
        Declaration(made or declared()),
        *(
            Prepared([b""] * len(windows[rows]), targets[rows].astype(np.float64), {"window": windows[rows]})
            for rows in (slice(first - 5), slice(first - 5, first), slice(first, None))
        ),
        sha256="0" * 64,
    )


def slid(series: np.ndarray, *, ahead: int = 1, stride: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return all windows of a series, (n, steps, …), and what follows each so many steps on."""
    starts = np.arange(0, len(series) - STEPS - ahead + 1, stride)
    windows = np.stack([series[start : start + STEPS] for start in starts]).astype(np.float32)
    return windows, series[starts + STEPS + ahead - 1].astype(np.float32)


@pytest.fixture
def random() -> np.random.Generator:
    seed = int(np.random.default_rng().integers(2**32))
    print("seed", seed)
    return np.random.default_rng(seed)


def walk(random: np.random.Generator, items: int = 300) -> np.ndarray:
    return np.cumsum(random.normal(0, 1, items))


def names(found: Forecasts) -> list[str]:
    return [each.name.partition(" (")[0] for each in found.found]


@pytest.mark.parametrize(("ahead", "seasonal"), [(1, 12), (3, 10), (12, 1), (13, 12), (15, 10)])
def test_a_declared_season_s_forecast_is_the_value_of_the_same_step_a_season_ago(ahead: int, seasonal: int) -> None:
    made = declared(Series(period=PERIOD, steps_ahead=ahead, scale=2.0, offset=5.0))
    windows = np.arange(30 * STEPS, dtype=np.float32).reshape(30, STEPS)

    found = naive_forecasts(made, split_of(windows, np.arange(30.0), made))

    assert names(found) == ["naive forecast", "seasonal naive forecast"]
    np.testing.assert_allclose(found.found[0].test, windows[20:, -1] * 2 + 5)
    np.testing.assert_allclose(found.found[1].test, windows[20:, -seasonal] * 2 + 5)
    assert found.found[1].train.shape == (15,)
    assert found.left_out == {}


def test_one_channel_of_several_is_continued() -> None:
    made = declared(Series(input="window", channel=1), shape=(-1, STEPS, 2))
    windows = np.arange(30 * STEPS * 2, dtype=np.float32).reshape(30, STEPS, 2)

    found = naive_forecasts(made, split_of(windows, np.arange(30.0), made))

    np.testing.assert_array_equal(found.found[0].test, windows[20:, -1, 1])
    assert "declares no season" in found.left_out["seasonal naive forecast"]


@pytest.mark.parametrize("ahead", [1, 4])
@pytest.mark.parametrize("is_standardized", [False, True], ids=["same unit", "standardized"])
def test_windows_that_overlap_show_themselves_what_the_targets_continue(
    random: np.random.Generator, ahead: int, is_standardized: bool
) -> None:
    series = 50 + 10 * walk(random)
    windows, targets = slid(series, ahead=ahead)
    if is_standardized:
        windows = ((windows - 50) / 10).astype(np.float32)
    other = random.normal(0, 1, windows.shape).astype(np.float32)
    made = declared(shape=(-1, STEPS, 2))
    order = random.permutation(len(windows))
    both = np.stack([np.lib.stride_tricks.sliding_window_view(other[:, 0], STEPS)[:200], windows[:200]], axis=-1)

    alone = naive_forecasts(declared(), split_of(windows[order], targets[order]))
    beside = naive_forecasts(made, split_of(both, targets[:200], made))

    expected = series[np.arange(len(windows)) + STEPS - 1][order]
    size = len(alone.found[0].test)
    np.testing.assert_allclose(alone.found[0].test, expected[-size:], atol=0.01)
    assert names(beside) == ["naive forecast"]
    assert "by --season" in alone.left_out["seasonal naive forecast"]


def test_windows_that_lie_among_those_of_training_are_counted_and_a_split_by_time_has_none(
    random: np.random.Generator,
) -> None:
    windows, targets = slid(walk(random))
    order = random.permutation(len(windows))
    still = np.ones_like(windows)

    by_time = naive_forecasts(declared(), split_of(windows, targets))
    by_chance = naive_forecasts(declared(), split_of(windows[order], targets[order]))
    unchanging = naive_forecasts(declared(Series()), split_of(still, targets, declared(Series())))

    assert by_time.amid <= 0.02
    assert by_chance.amid > 0.5
    assert unchanging.amid == 0


def test_nothing_is_taken_for_a_series_that_is_none(random: np.random.Generator) -> None:
    windows, targets = slid(walk(random))
    apart = slid(walk(random, 2000), stride=STEPS + 1)
    still = np.zeros_like(windows)

    for inputs, numbers in (
        (windows, random.permutation(targets)),
        apart,
        (still, targets),
        (random.normal(0, 1, windows.shape).astype(np.float32), targets),
    ):
        found = naive_forecasts(declared(), split_of(inputs, numbers))
        assert found.found == ()
        assert "postprocessing.series in the contract" in next(iter(found.left_out.values()))


def test_what_cannot_be_forecast_says_why() -> None:
    windows = np.arange(30 * STEPS, dtype=np.float32).reshape(30, STEPS)
    long = declared(Series(period=52))
    windows_with_gap = windows.copy()
    windows_with_gap[25, -1] = np.nan
    gap = declared(Series())
    picture = contract(
        inputs=(TensorSpec(name="window", datatype="FP32", shape=(-1, 4, 6, 1)),),
        preprocessing=ImagePreprocessing(height=4, width=6, channels=1),
        postprocessing=Regression(),
    )

    short = naive_forecasts(long, split_of(windows, np.arange(30.0), long))
    lacking = naive_forecasts(gap, split_of(windows_with_gap, np.arange(30.0), gap))
    none = naive_forecasts(picture, split_of(windows.reshape(30, 4, 6, 1), np.arange(30.0), picture))

    assert names(short) == ["naive forecast"]
    assert short.left_out == {
        "seasonal naive forecast (the value of 52 steps before)": "the past that items hold has no value of 52 steps "
        "before the answer"
    }
    assert lacking.left_out["naive forecast (the last known value)"] == (
        "some items lack the value of 1 step before the answer"
    )
    assert list(none.left_out.values()) == ["an item holds no past of the number that is answered"]


def test_columns_of_a_table_hold_the_past() -> None:
    columns = ("yesterday", "last_week", "price")
    made = contract(
        inputs=(TensorSpec(name="row", datatype="FP32", shape=(-1, 3)),),
        outputs=(TensorSpec(name="next", datatype="FP32", shape=(-1, 1)),),
        preprocessing=TabularPreprocessing(columns=tuple(NumericColumn(name=each, mean=3.0) for each in columns)),
        postprocessing=Regression(series=Series(columns={"yesterday": 1, "last_week": 7}, period=7)),
    )
    rows = np.arange(90.0).reshape(30, 3)
    items = [json.dumps(dict(zip(columns, row, strict=True))).encode() for row in rows.tolist()]
    parts = [
        Prepared(items[part], rows[part, 0], {"row": rows[part].astype(np.float32)})
        for part in (slice(15), slice(15, 20), slice(20, None))
    ]

    found = naive_forecasts(made, Split(Declaration(made), *parts, sha256=""))

    np.testing.assert_array_equal(found.found[0].test, rows[20:, 0])
    np.testing.assert_array_equal(found.found[1].test, rows[20:, 1])


def sense_of(model: Model, split: Split, made: ModelContract) -> Sense:
    return regression_sense(
        made,
        model(split.test.tensors["window"])[:, None],
        split,
        answer=lambda part, _: {"next": model(part.tensors["window"])[:, None]},
        forecasts=naive_forecasts(made, split),
    )


def codes(sense: Sense) -> list[str]:
    return [each.code for each in sense.findings]


def seasonal_series(random: np.random.Generator, noise: float, items: int = 400) -> np.ndarray:
    return 10 * np.sin(2 * np.pi * np.arange(items) / PERIOD) + random.normal(0, noise, items)


def last_seasons(window: np.ndarray) -> np.ndarray:
    """Return the mean of the same step of both seasons that a window has: better than either."""
    return (window[:, -PERIOD] + window[:, -2 * PERIOD]) / 2


def test_a_model_that_repeats_the_last_value_is_no_better_than_guessing_whatever_its_r2() -> None:
    random = np.random.default_rng(8)
    windows, targets = slid(walk(random, 600))
    split = split_of(windows, targets)

    sense = sense_of(lambda window: window[:, -1] + 0.01, split, declared())

    by_name = {(each.name, each.metric): each for each in sense.baselines}
    assert by_name["naive forecast (the last known value)", "rmse"].must_be_beaten
    assert codes(sense) == ["no_better_than_guessing"]
    assert "the naive forecast (the last known value) has" in sense.findings[0].text
    assert any(each.is_beaten for each in sense.baselines if not each.is_forecast)


def test_a_model_that_beats_the_naive_forecast_alone_knows_nothing_of_the_season() -> None:
    random = np.random.default_rng(9)
    made = declared(Series(period=PERIOD))
    split = split_of(*slid(seasonal_series(random, 0.5)), made)

    sense = sense_of(lambda window: 2 * window[:, -1] - window[:, -2], split, made)

    assert codes(sense) == ["no_better_than_guessing"]
    assert "the seasonal naive forecast (the value of 12 steps before) has" in sense.findings[0].text


def test_a_model_that_beats_the_forecasts_but_not_the_mean_knows_nothing_either() -> None:
    random = np.random.default_rng(10)
    windows, targets = slid(random.normal(5, 1, 500))

    sense = sense_of(lambda window: 5 + random.normal(0, 0.1, len(window)), split_of(windows, targets), declared())

    assert all(each.is_beaten for each in sense.baselines if each.is_forecast)
    assert codes(sense) == ["no_better_than_guessing"]


def test_good_forecasts_are_never_called_guesses() -> None:
    made = declared(Series(period=PERIOD))

    for seed in range(40):
        split = split_of(*slid(seasonal_series(np.random.default_rng(seed), 1.0, 1000)), made, test=600)
        assert codes(sense_of(last_seasons, split, made)) == [], seed


def test_mase_is_the_error_in_units_of_the_seasonal_naive_forecast_s_on_the_training_part() -> None:
    random = np.random.default_rng(12)
    made = declared(Series(period=PERIOD))
    series = seasonal_series(random, 1.0)
    split = split_of(*slid(series), made)
    naive_error = naive_forecasts(made, split).scale(split.train.targets)
    answers = last_seasons(split.test.tensors["window"])

    found = regression_figures(answers, split.test.targets, unit=None, naive_error=naive_error)

    # The definition of Hyndman and Koehler, on the training part of the series itself.
    known = series[: len(split.train) + STEPS].astype(np.float32)
    scale = np.abs(known[STEPS:] - known[STEPS - PERIOD : -PERIOD]).mean()
    assert naive_error == pytest.approx(scale, rel=1e-6)
    assert found.mase.value == pytest.approx(np.abs(answers - split.test.targets).mean() / scale, rel=1e-6)
    assert found.mase.low < found.mase.value < found.mase.high


def test_what_is_no_forecast_has_no_mase() -> None:
    assert Forecasts().scale(np.ones(3)) is None
    assert regression_figures(np.ones(3), np.arange(3.0), unit=None).mase is None
