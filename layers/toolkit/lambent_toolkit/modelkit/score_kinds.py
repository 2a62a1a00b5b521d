"""What a classifier answers, told from its numbers: probabilities, their logarithms, shares, scores, or logits."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lambent.contracts.model import Classification
from lambent.contracts.tensor import Array

ScoreKind = Literal["probabilities", "log_probabilities", "shares", "unit", "free"]
# Half-precision weights and kernels of other processors are within it; logits are not, row for row.
_SUM_TOLERANCE = 1e-2
_EDGE = 1e-3


def score_kind(rows: Array, *, output_step: float = 0.0) -> ScoreKind:
    """Return what some rows of an output are.

    Parameters
    ----------
    rows          (items, numbers), finite, at least one
    output_step   distance of two neighbouring values of a quantized output: each number may be off by half of it

    Returns
    -------
    - ``probabilities``: at least two numbers a row, from 0 to 1, that sum to one in every row
    - ``log_probabilities``: at least two numbers a row, whose exponentials are such
    - ``shares``: at least two numbers a row, none below zero and some above one, that have the same sum in every row
      though the rows differ: probabilities in per cent, or of another whole
    - ``unit``: all from 0 to 1
    - ``free``: anything else
    """
    values = np.asarray(rows, dtype=np.float64)
    tolerance = _SUM_TOLERANCE + output_step * values.shape[1] / 2
    edge = _EDGE + output_step
    is_unit = bool(values.min() >= -edge and values.max() <= 1 + edge)
    if values.shape[1] > 1:
        if is_unit and _sum_to_one(values, tolerance):
            return "probabilities"
        if values.max() <= edge and _sum_to_one(np.exp(values), tolerance):
            return "log_probabilities"
        if not is_unit and values.min() >= -edge and _have_one_sum(values, tolerance):
            return "shares"
    return "unit" if is_unit else "free"


def activation_fault(rows: Array, spec: Classification, *, output_step: float = 0.0) -> str | None:
    """Return what is wrong with the declared activation, judged by what the model answered; None if nothing is.

    Parameters
    ----------
    rows          (items, numbers), the model's output as it is
    spec          the contract's
    output_step   see `score_kind`
    """
    kind = score_kind(rows, output_step=output_step)
    if spec.activation == "none":
        if kind in ("probabilities", "unit"):
            return None
        return f"numbers from {rows.min():.4g} to {rows.max():.4g}, which are no scores of 0 to 1"
    if kind == "probabilities":
        return "probabilities that sum to one already"
    if kind == "shares":
        return f"shares that sum to {rows.sum(axis=1).mean():.4g} in every row, to be divided by it in the model"
    if kind == "unit" and spec.activation == "sigmoid":
        return "scores of 0 to 1 already"
    return None


def _have_one_sum(values: Array, tolerance: float) -> bool:
    sums = values.sum(axis=1)
    differ = np.ptp(values / sums.max(), axis=0).max(initial=0.0)
    return bool(np.ptp(sums) <= tolerance * sums.max() and differ > tolerance)


def _sum_to_one(values: Array, tolerance: float) -> bool:
    return bool(np.abs(values.sum(axis=1) - 1).max() <= tolerance)
