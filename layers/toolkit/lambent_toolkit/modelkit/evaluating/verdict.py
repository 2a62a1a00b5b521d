"""A comparison in one sentence: what can be said, and what it would take to say more."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from lambent_toolkit.modelkit.evaluating.comparison_report import Difference, Outcome
from lambent_toolkit.modelkit.evaluating.paired import LEVEL, POWER, items_to_show

# What a difference of accuracy that matters is taken for, where none at all was seen.
_SMALL_PT = 1.0


def classifier_verdict(
    names: Sequence[str], difference: Difference, discordant: int, differing: int, items: int
) -> tuple[Outcome, str]:
    """Return which classifier is better, as far as can be shown, and the sentence that says so.

    Parameters
    ----------
    names        of the first and the second
    difference   of their accuracies
    discordant   items that one gets right and the other wrong
    differing    items that they answer differently
    items        of all
    """
    apart = f"{differing} of {items} items are answered differently"
    if is_shown(difference):
        outcome, (value, low, high) = _winner(difference)
        return outcome, (
            f"{_name(names, outcome)} is better: {value:+.2f} pt accuracy (95 %: {low:+.2f} to {high:+.2f}), "
            f"{difference.test}, {p_text(difference.p_value)}; {apart}."
        )
    if not discordant:
        needed = items_to_show(_SMALL_PT / 100, _SMALL_PT / 100)
        return "undecided", (
            f"No difference: both get the same items right; {apart}. To show one of {_SMALL_PT:g} pt in 80 of 100 "
            f"cases, {needed:,} items would be needed at least."
        )
    size_pt = abs(difference.value) or _SMALL_PT
    needed = items_to_show(size_pt / 100, max(discordant / items, size_pt / 100))
    return "undecided", (
        f"No difference could be shown: {names[1]} has {difference.value:+.2f} pt accuracy (95 %: "
        f"{difference.low:+.2f} to {difference.high:+.2f}), {difference.test}, {p_text(difference.p_value)}; {apart}. "
        f"To show a difference of {size_pt:.2f} pt in 80 of 100 cases, about {needed:,} items would be needed."
    )


def regression_verdict(
    names: Sequence[str], difference: Difference, items: int, unit: str | None
) -> tuple[Outcome, str]:
    """Return which regression is better, as far as can be shown, and the sentence that says so."""
    from scipy.stats import norm

    of = f" {unit}" if unit else ""
    if is_shown(difference):
        outcome, (value, low, high) = _winner(difference)
        return outcome, (
            f"{_name(names, outcome)} is better: its RMSE is {value:.4g}{of} lower (95 %: {low:.4g} to {high:.4g}), "
            f"{difference.test}, {p_text(difference.p_value)}."
        )
    if difference.value == 0:
        return "undecided", "No difference: both err by as much."
    level, power = norm.ppf(1 - LEVEL / 2), norm.ppf(POWER)
    # The standard error falls with the root of the number of items.
    error = (difference.high - difference.low) / 2 / level
    needed = ceil(items * ((level + power) * error / difference.value) ** 2)
    return "undecided", (
        f"No difference could be shown: the RMSE of {names[1]} is {-difference.value:+.4g}{of} (95 %: "
        f"{-difference.high:+.4g} to {-difference.low:+.4g}), {difference.test}, {p_text(difference.p_value)}. To show "
        f"such a difference in 80 of 100 cases, about {needed:,} items would be needed."
    )


def is_shown(difference: Difference) -> bool:
    """Return whether the difference is significant at 5 %."""
    return difference.p_value <= LEVEL and difference.value != 0


def p_text(p_value: float) -> str:
    """Return ``p = 0.012`` or ``p < 0.001``."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"  # noqa: PLR2004 - three digits


def _winner(difference: Difference) -> tuple[Outcome, tuple[float, float, float]]:
    """Return who is better, and by how much: the interval from the winner's side."""
    if difference.value > 0:
        return "second", (difference.value, difference.low, difference.high)
    return "first", (-difference.value, -difference.high, -difference.low)


def _name(names: Sequence[str], outcome: Outcome) -> str:
    return names[1] if outcome == "second" else names[0]
