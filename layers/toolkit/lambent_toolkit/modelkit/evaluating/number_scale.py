"""Whether a regression answers on another scale than the truth is told on: thousands, another unit, logarithms.

A straight line through answers and truth is fitted on one half of the items and tried on the other half; logarithms
have nothing to fit. Either is told only where it takes most of the error away and beats guessing, which no model that
is merely bad lets it do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.evaluating.paired import error_difference

# Of the RMSE as declared. A line takes less from a model that knows little, however that is scaled.
MOST_LEFT = 1 / 3
# Of the truth's standard deviation, below which the RMSE is no fault of scale: a good model may be a little off.
_LEAST_ERROR = 0.3
_FEWEST_ITEMS = 20
_CONSTANT = 1e-6
_LARGEST_POWER = 300.0
_LOGARITHMS = {"exp(answer)": np.exp, "exp(answer) - 1": np.expm1}


@dataclass(frozen=True)
class NumberScale:
    """What the truth seems to be: ``factor * answer + shift``, or the function that ``name`` says.

    ``error`` and ``declared_error`` are RMSE on the same ``items``, which did not choose it.
    """

    name: str
    factor: float | None
    shift: float | None
    error: float
    declared_error: float
    items: int


def better_scale(values: Floats, targets: Floats, *, guess: float) -> NumberScale | None:
    """Return another scale of the answers that is much better than the declared one, None if there is none.

    Parameters
    ----------
    values, targets   (items,), answers and truth in the contract's unit
    guess             what would be answered without looking, which another scale must beat
    """
    if len(values) < _FEWEST_ITEMS or np.ptp(values[::2]) <= _CONSTANT * np.abs(values).max():
        return None
    if np.sqrt(((values - targets) ** 2).mean()) < _LEAST_ERROR * targets.std():
        return None
    factor, shift = np.polyfit(values[::2], targets[::2], 1).tolist()
    rest, truth = values[1::2], targets[1::2]
    meant: dict[str, Floats] = {f"answer * {factor:.6g} + {shift:.6g}": factor * rest + shift}
    if np.abs(values).max() < _LARGEST_POWER:
        meant = {name: function(rest) for name, function in _LOGARITHMS.items()} | meant
    errors = {name: (each - truth) ** 2 for name, each in meant.items()}
    name = min(errors, key=lambda each: float(errors[each].mean()))
    declared, guessed = (rest - truth) ** 2, (guess - truth) ** 2
    error, declared_error = (float(np.sqrt(each.mean())) for each in (errors[name], declared))
    if error > MOST_LEFT * declared_error or any(
        error_difference(worse, errors[name], is_root=True).low <= 0 for worse in (declared, guessed)
    ):
        return None
    is_line = name not in _LOGARITHMS
    return NumberScale(name, factor if is_line else None, shift if is_line else None, error, declared_error, len(truth))
