"""The split into three parts: every row once, seeded, each class in each part by its share."""

import numpy as np
import pytest

from lambent_toolkit.modelkit.recipe import LabelledItems
from lambent_toolkit.modelkit.splitting import PARTS, split_rows

CLASSES = np.repeat(np.arange(4), (200, 100, 60, 40))


def split(targets=CLASSES, *, validation_share: float = 0.15, test_share: float = 0.2, seed: int = 7):
    return split_rows(targets, validation_share=validation_share, test_share=test_share, seed=seed)


def test_every_row_is_in_exactly_one_part() -> None:
    rows = np.concatenate([split()[part] for part in PARTS])

    assert sorted(rows) == list(range(len(CLASSES)))


@pytest.mark.parametrize(("part", "share"), [("train", 0.65), ("validation", 0.15), ("test", 0.2)])
def test_each_class_is_in_each_part_by_its_share(part, share: float) -> None:
    counts = np.bincount(CLASSES[split()[part]])

    assert counts == pytest.approx(share * np.bincount(CLASSES), abs=1)


def test_same_seed_gives_the_same_parts_and_another_seed_others() -> None:
    first, again, other = split(), split(), split(seed=8)

    assert all(np.array_equal(first[part], again[part]) for part in PARTS)
    assert not any(np.array_equal(first[part], other[part]) for part in PARTS)


def test_the_test_part_stays_whatever_the_validation_share() -> None:
    assert np.array_equal(split(validation_share=0.1)["test"], split(validation_share=0.3)["test"])


def test_numbers_of_a_regression_are_split_too() -> None:
    parts = split(np.random.default_rng(1).normal(size=100))

    assert [len(parts[part]) for part in PARTS] == [65, 15, 20]


def test_slices_follow_their_items() -> None:
    data = LabelledItems([b"a", b"b", b"c"], np.array([0, 1, 0]), {"site": ["north", "south", "east"]})

    taken = data.take(np.array([2, 0]))

    assert taken.items == [b"c", b"a"]
    assert taken.slices == {"site": ["east", "north"]}
