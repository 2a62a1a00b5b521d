"""What the checks of a data set found, as checks.json holds it."""

from __future__ import annotations

from typing import Literal

import msgspec

from lambent_toolkit.modelkit.datasets.candidates import Problem
from lambent_toolkit.modelkit.splitting import PARTS, Part

# Of long lists, checks.json and the report hold the first; how many there are is told beside.
MAX_LISTED = 24
MAX_PROBLEMS = 100
_MAX_IMBALANCE = 10.0
_MIN_TRAIN = 20
_MIN_TEST = 10
_NAMED = 5


class ClassCount(msgspec.Struct, frozen=True, kw_only=True):
    """Items of a class in every part."""

    label: str
    train: int
    validation: int
    test: int

    @property
    def total(self) -> int:
        """In all parts."""
        return self.train + self.validation + self.test


class TargetSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers to be predicted, in one part."""

    split: Part
    count: int
    low: float
    mean: float
    median: float
    high: float


class ColumnSpread(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table.

    Parameters
    ----------
    missing     empty cells
    distinct    different values
    low, high   of numbers; None of words
    """

    name: str
    is_number: bool
    missing: int
    distinct: int
    low: float | None = None
    high: float | None = None


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Items of the same content; they are in one part, or in none.

    Parameters
    ----------
    ids      of at most five of them
    count    of all
    labels   more than one is a conflict
    """

    ids: tuple[str, ...]
    count: int
    labels: tuple[str, ...]


class LeakFound(msgspec.Struct, frozen=True, kw_only=True):
    """An item that the source had in one part although its content is in another; it is in none now."""

    id: str
    was_in: Part
    kept: str
    kept_in: Part


class NearPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two items that are nearly the same; ``correlation`` of two pictures' thumbnails, 1 for texts."""

    first: str
    second: str
    first_split: Part
    second_split: Part
    first_label: str | None
    second_label: str | None
    correlation: float

    @property
    def is_leak(self) -> bool:
        """Whether the two are in different parts."""
        return self.first_split != self.second_split


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """An item whose label a simple model doubts; ``excerpt`` is the text's or row's beginning, of a picture empty."""

    id: str
    split: Part
    given: str
    predicted: str
    given_confidence: float
    predicted_confidence: float
    excerpt: str = ""


class Suspects(msgspec.Struct, frozen=True, kw_only=True):
    """The most doubtful of ``count`` suspects among ``examined`` items; see `label_noise.Noise`."""

    listed: tuple[Suspect, ...] = ()
    count: int = 0
    examined: int = 0
    accuracy: float = 0.0
    note: str = ""


class Finding(msgspec.Struct, frozen=True):
    """A sentence for the reader; ``tone`` bad needs mending, warning needs a look."""

    tone: Literal["bad", "warning", "good"]
    text: str


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """checks.json.

    Parameters
    ----------
    classes         in the order of their numbers; empty for regression
    targets         of regression, by part
    columns         of a table
    problems        unreadable items that were skipped, at most 100 of ``problem_count``
    duplicates      groups, the largest first, at most 24 of ``duplicate_groups``; ``duplicate_items`` counts all but
                    each group's first
    conflicts       groups with several labels, at most 24 of ``conflict_groups``
    leaks           at most 24 of ``leak_count``
    giveaways       columns of a table that tell the label by themselves
    near            pairs in different parts first, at most 24 of ``near_count``; ``near_leaks`` are in different parts
    """

    schema_version: Literal[1] = 1
    classes: tuple[ClassCount, ...] = ()
    targets: tuple[TargetSpread, ...] = ()
    columns: tuple[ColumnSpread, ...] = ()
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    duplicates: tuple[Duplicates, ...] = ()
    duplicate_groups: int = 0
    duplicate_items: int = 0
    conflicts: tuple[Duplicates, ...] = ()
    conflict_groups: int = 0
    leaks: tuple[LeakFound, ...] = ()
    leak_count: int = 0
    near: tuple[NearPair, ...] = ()
    near_count: int = 0
    near_leaks: int = 0
    suspects: Suspects = Suspects()
    giveaways: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def imbalance(self) -> float:
        """Items of the largest class for one of the smallest; 1 for regression."""
        totals = [each.total for each in self.classes]
        return max(totals) / max(1, min(totals)) if totals else 1.0


def findings(checks: Checks) -> list[Finding]:
    """Return what a reader has to know, the worst first."""
    found = [*_class_findings(checks), *_target_findings(checks), *_copy_findings(checks), *_item_findings(checks)]
    found.sort(key=lambda each: ("bad", "warning", "good").index(each.tone))
    return found or [Finding("good", "Nothing was found that needs a look.")]


def _class_findings(checks: Checks) -> list[Finding]:
    found = []
    for part in PARTS:
        lacking = [each.label for each in checks.classes if not getattr(each, part)]
        if lacking:
            without = "cannot be learned" if part == "train" else "is not measured"
            found.append(Finding("bad", f"Not in the {part} part, so that it {without}: {_some(lacking)}."))
    spellings: dict[str, list[str]] = {}
    for each in checks.classes:
        spellings.setdefault(" ".join(each.label.casefold().replace("_", " ").split()), []).append(each.label)
    alike = [" / ".join(labels) for labels in spellings.values() if len(labels) > 1]
    if alike:
        found.append(Finding("warning", f"Names that may mean one class: {_some(alike)}."))
    small = [each.label for each in checks.classes if 0 < each.train < _MIN_TRAIN]
    if small:
        found.append(Finding("warning", f"Fewer than {_MIN_TRAIN} training items: {_some(small)}."))
    few = [each.label for each in checks.classes if 0 < each.test < _MIN_TEST]
    if few:
        found.append(
            Finding(
                "warning", f"Fewer than {_MIN_TEST} test items, so that figures of the class say little: {_some(few)}."
            )
        )
    if checks.imbalance > _MAX_IMBALANCE:
        found.append(
            Finding(
                "warning",
                f"The largest class has {checks.imbalance:.0f} times the items of the smallest: look at each class's "
                "recall, not at accuracy alone.",
            )
        )
    return found


def _target_findings(checks: Checks) -> list[Finding]:
    constant = [each for each in checks.targets if each.count and each.low == each.high]
    learned = [each for each in constant if each.split == "train"]
    found = [Finding("bad", f"All training targets are {each.low:g}: there is nothing to learn.") for each in learned]
    measured = [each for each in constant if each.split != "train"]
    return found + [
        Finding("warning", f"All targets of the {each.split} part are {each.low:g}: R² cannot be measured on it.")
        for each in measured
    ]


def _copy_findings(checks: Checks) -> list[Finding]:
    found = []
    if checks.leak_count:
        found.append(
            Finding(
                "warning",
                f"{_many(checks.leak_count, 'copy', 'copies')} across the parts of the source's own split; the copy in "
                "the part that measures stays, the other is left out.",
            )
        )
    if checks.conflict_groups:
        found.append(
            Finding(
                "bad", f"{_many(checks.conflict_groups, 'content')} with several labels, of which one can be right."
            )
        )
    if checks.near_leaks:
        found.append(
            Finding(
                "warning",
                f"{_many(checks.near_leaks, 'pair')} of near duplicates in different parts: look at them, keep them "
                "in one part by --near-duplicates together.",
            )
        )
    if checks.duplicate_items:
        found.append(
            Finding(
                "warning",
                f"{_many(checks.duplicate_items, 'copy', 'copies')} of other items, each in the part of its original.",
            )
        )
    return found


def _item_findings(checks: Checks) -> list[Finding]:
    found = []
    if checks.problem_count:
        found.append(Finding("warning", f"{_many(checks.problem_count, 'unreadable item')}, left out."))
    suspects = checks.suspects
    if suspects.count:
        found.append(
            Finding(
                "warning",
                f"{suspects.count} of {suspects.examined} labels look wrong to a simple model "
                f"({suspects.count / suspects.examined:.1%}).",
            )
        )
    if checks.giveaways:
        found.append(
            Finding(
                "bad",
                f"Columns that tell the label by themselves: {_some(list(checks.giveaways))}. Unless each is known "
                "before the label is, --leave-out it.",
            )
        )
    constant = [each.name for each in checks.columns if each.distinct <= 1]
    if constant:
        found.append(Finding("warning", f"Columns that say nothing, as their value never changes: {_some(constant)}."))
    return found


def _many(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
