"""Confidence intervals by resampling."""

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from lambent_toolkit.modelkit.evaluating.bootstrap import (
    estimate,
    group_sums,
    mean_of,
    ones,
    resample,
    share,
    wilson,
)


def test_percentiles_are_those_of_scipy_within_what_resampling_leaves_to_chance() -> None:
    values = np.random.default_rng(3).lognormal(size=200)

    ours = estimate(values.mean(), resample(200, {"mean": mean_of(values)}, resamples=20_000)["mean"])
    theirs = scipy_bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval

    assert ours.low == pytest.approx(theirs.low, rel=0.02)
    assert ours.high == pytest.approx(theirs.high, rel=0.02)


def test_same_seed_gives_the_same_interval_however_the_work_is_cut_up(monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = {"mean": mean_of(np.arange(50))}
    whole = resample(50, statistics, resamples=100)["mean"]

    monkeypatch.setattr("lambent_toolkit.modelkit.evaluating.bootstrap._CHUNK_VALUES", 50 * 7)

    assert np.array_equal(resample(50, statistics, resamples=100)["mean"], whole)


def test_intervals_cover_the_truth_about_as_often_as_they_promise() -> None:
    random, covered = np.random.default_rng(5), 0
    for trial in range(200):
        right = random.random(150) < 0.8
        found = share(
            int(right.sum()), 150, resample(150, {"share": mean_of(right)}, resamples=400, seed=trial)["share"]
        )
        assert found is not None
        covered += found.low <= 0.8 <= found.high

    # Percentile intervals of 150 items cover about 94 %; of 200 trials, 175 to 199 is within three deviations of it.
    assert 175 <= covered <= 199


@pytest.mark.parametrize(("hits", "limits"), [(0, (0.0, 0.278)), (10, (0.722, 1.0))])
def test_no_mistakes_or_nothing_but_mistakes_still_leave_a_doubt(hits: int, limits: tuple[float, float]) -> None:
    found = share(hits, 10, np.full(2000, hits / 10))

    assert found is not None
    assert found.method == "wilson"
    assert (found.low, found.high) == pytest.approx(limits, abs=1e-3)


def test_wilson_is_the_textbook_interval() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_a_share_of_no_items_is_not_defined() -> None:
    assert share(0, 0, np.full(2000, np.nan)) is None


def test_a_figure_that_no_resample_changes_has_no_interval() -> None:
    found = estimate(1.0, np.ones(2000))

    assert (found.low, found.high, found.method) == (None, None, "none")


def test_resamples_in_which_a_figure_is_undefined_are_left_out() -> None:
    assert estimate(2.0, np.array([1.0, np.nan, 3.0])).low == pytest.approx(1.05)


def test_group_sums_leave_out_items_of_no_group_and_keep_empty_groups_at_zero() -> None:
    weights = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0]])

    assert group_sums(weights, np.array([2, 0, -1, 2]), 4).tolist() == [[2, 0, 5, 0], [1, 0, 1, 0]]


def test_weights_of_one_are_the_items_themselves() -> None:
    assert mean_of(np.array([1.0, 2.0, 6.0]))(ones(3)).tolist() == [3.0]
