"""Columns that tell the label by themselves are told; those that merely help are not."""

import numpy as np
import pytest
from sklearn.datasets import load_wine

from lambent_toolkit.modelkit.datasets.giveaways import find_giveaways

RANDOM = np.random.default_rng(5)
TARGETS = np.repeat([0, 1, 2], (100, 60, 20))


def column(cells: list[object]) -> list[str]:
    random = np.random.default_rng(6)
    return find_giveaways([{"column": cell, "other": float(random.normal())} for cell in cells], TARGETS, seed=7)


@pytest.mark.parametrize(
    "cells",
    [
        [float(target * 10) for target in TARGETS],
        [float(target * 10 + RANDOM.normal()) for target in TARGETS],
        [f"kind {'bca'[target]}" for target in TARGETS],
        [None if target == 1 else 3.0 + target for target in TARGETS],
    ],
    ids=["code", "noisy code", "words", "missing for one class"],
)
def test_column_that_tells_the_label_is_told(cells) -> None:
    assert column(cells) == ["column"]


@pytest.mark.parametrize(
    "cells",
    [
        [f"row {n}" for n in range(len(TARGETS))],
        [float(RANDOM.normal()) for _ in TARGETS],
        [float(target == 2) for target in TARGETS],
        [1.0] * len(TARGETS),
        [float(target + RANDOM.normal()) for target in TARGETS],
    ],
    ids=["names of rows", "noise", "tells one class of three", "constant", "helps"],
)
def test_column_that_does_not_is_not(cells) -> None:
    assert column(cells) == []


def test_no_wine_is_told_by_one_measurement() -> None:
    bunch = load_wine()
    rows = [dict(zip(bunch.feature_names, cells, strict=True)) for cells in bunch.data.tolist()]

    assert find_giveaways(rows, bunch.target, seed=7) == []


def test_too_little_data_says_nothing() -> None:
    assert find_giveaways([{"a": float(n)} for n in range(6)], np.array([0, 0, 0, 1, 1, 1]), seed=7) == []
