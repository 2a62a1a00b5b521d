"""Another order of the labels: found where there is one however small its part, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from lambent_toolkit.modelkit.evaluating.label_order import LabelOrder, better_order

Numbers = np.ndarray


def answers(
    random: np.random.Generator, *, items: int, classes: int, accuracy: float, guessed: tuple[int, ...] = ()
) -> tuple[Numbers, Numbers]:
    """Return best outputs and true classes of a model that guesses between the ``guessed`` classes alone."""
    true = random.integers(0, classes, items)
    best = np.where(random.random(items) < accuracy, true, random.integers(0, classes, items))
    if guessed:
        is_among = np.isin(true, guessed)
        best[is_among] = random.choice(guessed, int(is_among.sum()))
    return best, true


def order_of(best: Numbers, true: Numbers, classes: int) -> LabelOrder | None:
    labels = [f"{number:03}" for number in range(classes)]
    commonest = int(np.bincount(true, minlength=classes).argmax())
    return better_order(best, true, labels, commonest=commonest)


@pytest.mark.parametrize(
    ("items", "classes", "accuracy"),
    [(200, 10, 0.95), (1000, 50, 0.9), (2000, 100, 0.9), (100, 3, 0.7)],
    ids=["ten", "fifty", "hundred", "poor"],
)
def test_two_exchanged_labels_are_found_whatever_their_part_of_all_is(
    items: int, classes: int, accuracy: float
) -> None:
    exchanged = np.arange(classes)
    exchanged[[0, 1]] = 1, 0
    wanted = ("001", "000", *(f"{number:03}" for number in range(2, classes)))

    found = []
    for seed in range(30):
        best, true = answers(np.random.default_rng(seed), items=items, classes=classes, accuracy=accuracy)
        found.append(order_of(exchanged[best], true, classes))

    orders = [each.labels for each in found if each is not None]
    assert len(orders) >= 29
    assert [order[:2] for order in orders] == [wanted[:2]] * len(orders)
    assert all(each.accuracy > each.declared_accuracy and each.items == items for each in found if each)


@pytest.mark.parametrize(
    ("items", "classes", "accuracy", "guessed"),
    [
        (400, 10, 0.95, ()),
        (60, 2, 0.6, ()),
        (1000, 100, 0.6, ()),
        (300, 6, 0.9, (0, 1, 2)),
        (400, 10, 0.95, (3, 4)),
        (100, 4, 0.8, (0, 1)),
    ],
    ids=["good", "two classes", "hundred", "guesses among three", "guesses between two", "half of it guesses"],
)
def test_models_in_the_declared_order_are_never_accused(
    items: int, classes: int, accuracy: float, guessed: tuple[int, ...]
) -> None:
    accused = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        best, true = answers(random, items=items, classes=classes, accuracy=accuracy, guessed=guessed)
        accused += order_of(best, true, classes) is not None

    assert accused == 0


def test_of_a_handful_of_items_nothing_is_told() -> None:
    true = np.arange(9) % 3

    assert order_of((true + 1) % 3, true, 3) is None
