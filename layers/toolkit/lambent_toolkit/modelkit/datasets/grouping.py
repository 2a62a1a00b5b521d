"""Parts of data in which items belong together: no group is ever in two parts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.datasets.fingerprints import Pair
from lambent_toolkit.modelkit.errors import DataUnusable, SettingInvalid
from lambent_toolkit.modelkit.splitting import PARTS, Part, divide_rows, split_rows

# A copy that training has seen makes the test too easy, so it is the training that loses it.
_KEEPERS: tuple[Part, ...] = ("test", "validation", "train")


@dataclass(frozen=True)
class Shares:
    """How much of the data each part gets, 0 to 1, and the seed that decides which items."""

    validation: float
    test: float
    seed: int

    def __post_init__(self) -> None:
        """Raise SettingInvalid unless each part gets something."""
        if not (0 < self.validation < 1 and 0 < self.test < 1 and self.validation + self.test < 1):
            raise SettingInvalid(
                f"validation_share {self.validation:g} and test_share {self.test:g} must lie between 0 and 1, and "
                "their sum too: all three parts need items."
            )


@dataclass(frozen=True)
class Leak:
    """An item in no part, as its content is that of an item in another part."""

    left_out: int
    was_in: Part
    kept: int
    kept_in: Part


@dataclass(frozen=True)
class Assignment:
    """The part of every row, None of rows that are left out.

    Parameters
    ----------
    leaks   the rows that were left out, in their order
    notes   parts that the source lacked, and what they were made from
    """

    parts: list[Part | None]
    leaks: list[Leak]
    notes: list[str]


def groups_of(contents: Sequence[Hashable], pairs: Sequence[Pair] = ()) -> NDArray[np.int64]:
    """Return a group number for each row: equal contents belong together, and so do the rows of ``pairs``."""
    numbers: dict[Hashable, int] = {}
    groups = np.array([numbers.setdefault(content, len(numbers)) for content in contents], dtype=np.int64)
    if not pairs:
        return groups
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array([(groups[pair.first], groups[pair.second]) for pair in pairs])
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(numbers), len(numbers)))
    _, merged = connected_components(links, directed=False)
    return np.asarray(merged, dtype=np.int64)[groups]


def split_groups(targets: NDArray[Any], groups: NDArray[np.int64], shares: Shares) -> Assignment:
    """Split groups into three parts by their first rows' targets; see `splitting.split_rows`.

    Shares are of groups: where one of them is large, its part has more items than its share.

    Parameters
    ----------
    targets   int64 class numbers or float64 numbers, one a row
    groups    int64, one a row

    Raises
    ------
    DataUnusable   there are too few groups, or too few of a class
    """
    _, firsts, members = np.unique(groups, return_index=True, return_inverse=True)
    rows = split_rows(targets[firsts], validation_share=shares.validation, test_share=shares.test, seed=shares.seed)
    part_of: dict[int, Part] = {int(group): part for part in PARTS for group in rows[part]}
    return Assignment([part_of[group] for group in members.tolist()], [], [])


def keep_split(
    own: Sequence[Part | None], targets: NDArray[Any], groups: NDArray[np.int64], shares: Shares
) -> Assignment:
    """Keep the parts that a source has itself, without rows whose content is in two of them.

    Of such rows those in the test part stay, or else those in the validation part. Parts that the source lacks are
    taken from its training part, group by group.

    Raises
    ------
    DataUnusable   there is no training part, or it is too small to be divided
    """
    parts = list(own)
    leaks: list[Leak] = []
    for rows in _rows_of(groups):
        leaks += _drop_leaks(rows, parts)
    if "train" not in parts:
        raise DataUnusable("The source has parts of its own, but no training part that is not copies of the others.")
    notes = []
    for part, share in (("test", shares.test), ("validation", shares.validation)):
        if part not in own:
            _carve(part, share, parts, targets, groups, seed=shares.seed)  # type: ignore[arg-type]
            notes.append(
                f"The source has no {part} part: {share:.0%} of its training part became one (seed {shares.seed})."
            )
    return Assignment(parts, sorted(leaks, key=lambda leak: leak.left_out), notes)


def _rows_of(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    return [rows for rows in np.split(order, ends) if len(rows) > 1]


def _drop_leaks(rows: NDArray[np.int64], parts: list[Part | None]) -> list[Leak]:
    inside = {parts[row] for row in rows}
    kept_in = next(part for part in _KEEPERS if part in inside)
    kept = next(int(row) for row in rows if parts[row] == kept_in)
    leaks = []
    for row in rows.tolist():
        was_in = parts[row]
        if was_in is not None and was_in != kept_in:
            leaks.append(Leak(row, was_in, kept, kept_in))
            parts[row] = None
    return leaks


def _carve(
    part: Part, share: float, parts: list[Part | None], targets: NDArray[Any], groups: NDArray[np.int64], *, seed: int
) -> None:
    train = np.flatnonzero([each == "train" for each in parts])
    _, firsts = np.unique(groups[train], return_index=True)
    size = ceil(share * len(firsts))
    if size >= len(firsts):
        raise DataUnusable(f"The training part has {len(firsts)} different items: too few to take a {part} part from.")
    _, taken = divide_rows(train[firsts], targets, size=size, seed=seed)
    for row in train[np.isin(groups[train], groups[taken])].tolist():
        parts[row] = part
