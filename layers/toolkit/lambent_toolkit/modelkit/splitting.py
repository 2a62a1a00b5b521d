"""Split rows into three parts: seeded, and stratified where the targets are classes."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

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
    """
    rows = np.arange(len(targets))
    # The test part first: a model with another validation share is compared on the same test items.
    rest, test = _divide(rows, targets, share=test_share, seed=seed)
    train, validation = _divide(rest, targets, share=validation_share * len(rows) / len(rest), seed=seed)
    return {"train": train, "validation": validation, "test": test}


def _divide(
    rows: NDArray[np.int64], targets: NDArray[Any], *, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from sklearn.model_selection import train_test_split  # a second of imports

    classes = targets[rows] if targets.dtype.kind == "i" else None
    most, some = train_test_split(rows, test_size=share, random_state=seed, stratify=classes)
    return most, some
