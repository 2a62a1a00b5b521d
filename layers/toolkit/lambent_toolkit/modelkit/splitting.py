"""Split rows into three parts: seeded, and stratified where the targets are classes."""

from __future__ import annotations

from math import ceil
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.errors import DataUnusable, SettingInvalid

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)


def split_rows(
    targets: NDArray[Any], *, validation_share: float, test_share: float, seed: int
) -> dict[Part, NDArray[np.int64]]:
    """Return the row numbers of every part; each class is in each part by its share.

    Parameters
    ----------
    targets            int64 class numbers; float64 numbers are split by chance alone
    validation_share   of all rows, 0 to 1
    test_share         of all rows, 0 to 1; rounded up to whole rows, as the other
    seed

    Raises
    ------
    SettingInvalid   the shares leave nothing to train on
    DataUnusable     there are too few items, or too few of a class, for three parts
    """
    if validation_share + test_share >= 1:
        raise SettingInvalid(
            f"validation_share {validation_share:g} and test_share {test_share:g} leave nothing to train on: their sum "
            "must be below 1."
        )
    sizes = {"validation": ceil(validation_share * len(targets)), "test": ceil(test_share * len(targets))}
    _check_enough(targets, sizes)
    rows = np.arange(len(targets))
    # The test part first: a model with another validation share is compared on the same test items.
    rest, test = divide_rows(rows, targets, size=sizes["test"], seed=seed)
    train, validation = divide_rows(rest, targets, size=sizes["validation"], seed=seed)
    return {"train": train, "validation": validation, "test": test}


def _check_enough(targets: NDArray[Any], sizes: dict[str, int]) -> None:
    if len(targets) < len(PARTS) or sum(sizes.values()) >= len(targets):
        raise DataUnusable(f"The data has {len(targets)} items: too few for three parts.")
    if targets.dtype.kind != "i":
        return
    classes, counts = np.unique(targets, return_counts=True)
    if counts.min() < len(PARTS):
        raise DataUnusable(
            f"Class number {classes[counts.argmin()]} has {counts.min()} of the {len(targets)} items: each class needs "
            f"{len(PARTS)} at least, one for each part. Add items, or leave the class out."
        )
    for part, size in sizes.items():
        if size < len(classes):
            raise DataUnusable(
                f"A {part} part of {size} items cannot hold {len(classes)} classes: add items, or raise {part}_share."
            )


def divide_rows(
    rows: NDArray[np.int64], targets: NDArray[Any], *, size: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return most of the rows, and ``size`` of them; stratified where the targets, of all rows, are int64.

    Raises
    ------
    DataUnusable   there are too few rows, or too few of a class, to be divided
    """
    from sklearn.model_selection import train_test_split  # a second of imports

    classes = targets[rows] if targets.dtype.kind == "i" else None
    try:
        most, some = train_test_split(rows, test_size=size, random_state=seed, stratify=classes)
    except ValueError as exc:
        raise DataUnusable(f"The items cannot be split by their classes: {exc}") from exc
    return most, some
