"""The items that quantization is calibrated on: every stratum of them, and named so that they can be proven."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from builders import contract
from lambent_toolkit.modelkit.activation_ranges import growth
from lambent_toolkit.modelkit.calibration import (
    CALIBRATION_FILE,
    Calibration,
    calibration_npz,
    saved_rows,
    stratified_order,
)
from lambent_toolkit.modelkit.quantization_report import CalibrationFigures
from lambent_toolkit.modelkit.recipe import Declaration, Prepared, Split

FIGURES = CalibrationFigures(items=2, items_by_stratum={}, tolerance=0.02, converged=True, rounds=[])
CALIBRATION = Calibration(np.array([3, 1]), FIGURES)


def split_of(digest: str) -> Split:
    part = Prepared([bytes([row]) for row in range(5)], np.arange(5), {})
    return Split(Declaration(contract()), part, part, part, digest)


def test_every_beginning_of_the_order_holds_every_class_about_equally_often() -> None:
    classes = np.repeat(np.arange(10), 50)
    np.random.default_rng(3).shuffle(classes)

    order = stratified_order(classes)

    for size in (32, 64, 100, 256):
        counts = np.bincount(classes[order[:size]], minlength=10)
        assert counts.max() - counts.min() <= 1
    assert sorted(order) == list(range(500))


def test_a_rare_class_is_in_the_sample_with_all_its_items() -> None:
    classes = np.array([0] * 500 + [1] * 7)

    chosen = stratified_order(classes)[:32]

    assert np.bincount(classes[chosen]).tolist() == [25, 7]


def test_numbers_of_a_regression_are_sampled_from_every_tenth_of_them() -> None:
    targets = np.random.default_rng(5).lognormal(size=1000)

    chosen = np.sort(targets[stratified_order(targets)[:50]])

    tenths = np.searchsorted(np.quantile(targets, np.linspace(0, 1, 11)[1:-1]), chosen, side="right")
    assert np.bincount(tenths, minlength=10).tolist() == [5] * 10


def test_growth_is_that_of_the_tensor_that_grew_most_and_a_dead_one_has_none() -> None:
    before, after = np.array([8.0, 0.0, 2.0]), np.array([10.0, 0.0, 2.0])

    assert growth(before, after) == pytest.approx(0.2)
    assert growth(after, after) == 0.0
    assert growth(np.array([0.0]), np.array([1.0])) == 1.0


def test_saved_sample_names_its_items_by_digest() -> None:
    with np.load(BytesIO(calibration_npz(CALIBRATION, split_of("a" * 64)))) as saved:
        assert saved["items_sha256"].tolist() == [sha256(bytes([row])).hexdigest() for row in (3, 1)]


def test_saved_sample_is_taken_again_for_the_same_data_only(tmp_path: Path) -> None:
    assert saved_rows(tmp_path, split_of("a" * 64)) is None

    (tmp_path / CALIBRATION_FILE).write_bytes(calibration_npz(CALIBRATION, split_of("a" * 64)))

    rows = saved_rows(tmp_path, split_of("a" * 64))
    assert rows is not None
    assert rows.tolist() == [3, 1]
    assert saved_rows(tmp_path, split_of("b" * 64)) is None
