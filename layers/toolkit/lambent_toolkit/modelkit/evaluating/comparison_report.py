"""compare.json: two models on the same items."""

from __future__ import annotations

from typing import Literal

import msgspec

from lambent_toolkit.modelkit.report import Estimate, Task, VariantFigures

Outcome = Literal["first", "second", "undecided"]


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Contestant(_Record, frozen=True, kw_only=True):
    """One of the two: ``metric`` is its accuracy, or its RMSE; ``mae`` a regression has beside it."""

    name: str
    model_sha256: str
    variant: str
    figures: VariantFigures
    metric: Estimate
    mae: Estimate | None = None


class Difference(_Record, frozen=True, kw_only=True):
    """How much better the second is than the first, with its 95 % interval; below zero, it is worse.

    In percentage points of ``accuracy`` (Tango's interval of paired shares), or in the answer's unit of ``rmse`` and
    ``mae`` (paired bootstrap). ``p_value`` is two-sided, of ``test``.
    """

    metric: Literal["accuracy", "rmse", "mae"]
    value: float
    low: float
    high: float
    p_value: float
    test: str


class DifferingAnswer(_Record, frozen=True, kw_only=True):
    """A classifier's answer to an item; None where no label reached its threshold."""

    label: str | None
    score: float
    is_right: bool


class DifferingItem(_Record, frozen=True, kw_only=True):
    """An item on which the two differ: its number in the test part and its digest.

    Classifiers have ``truth`` and two answers; regressions numbers.
    """

    item: int
    sha256: str
    truth: str | float
    first: DifferingAnswer | float
    second: DifferingAnswer | float


class Comparison(_Record, frozen=True, kw_only=True):
    """compare.json.

    Parameters
    ----------
    data_name, items       test items of this data
    first_only, second_only, both_wrong   of classifiers: items that only one gets right; that both get wrong
    differing              how many items the two answer differently: another label; any other number
    differing_items        all of a classifier's, those first that one of the two gets right; of a regression those on
                           which the errors differ most
    outcome                which one is better, as far as can be shown
    verdict                the same in words
    warnings               e.g. items that one of the two was trained on
    """

    schema_version: Literal[1] = 1
    task: Task
    data_name: str
    items: int
    unit: str | None
    first: Contestant
    second: Contestant
    differences: list[Difference]
    first_only: int | None = None
    second_only: int | None = None
    both_wrong: int | None = None
    differing: int
    differing_items: list[DifferingItem]
    outcome: Outcome
    verdict: str
    warnings: list[str]
    tools: dict[str, str]
