"""Outputs of an interpreter as the answers that callers get: by the very code that serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification, ModelContract, Regression
from lambent.contracts.tensor import Array
from lambent.domain.postprocessing import activate, classify_rows, scale_rows
from lambent_toolkit.modelkit.errors import AnswersNotFinite

UNANSWERED = -1
_TOLD_ITEMS = 5


@dataclass(frozen=True)
class Scored:
    """A classifier's answers.

    Parameters
    ----------
    scores    (items, labels), float64, as the contract's activation and temperature make them
    best      (items,), int64, number of the best label, the first of equal ones
    answers   the same, but `UNANSWERED` where even the best score is below the contract's threshold
    """

    scores: NDArray[np.float64]
    best: NDArray[np.int64]
    answers: NDArray[np.int64]

    def right(self, classes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which items are answered by their true class."""
        found: NDArray[np.bool_] = self.answers == classes
        return found


def answer_rows(outputs: Mapping[str, Array], contract: ModelContract, *, of: str) -> Array:
    """Return the output that the contract's answer is made of, (items, numbers).

    Parameters
    ----------
    outputs    by name, one row an item
    contract   of a classification or a regression
    of         what answered, for the message

    Raises
    ------
    AnswersNotFinite   with the numbers of the items
    """
    spec = contract.postprocessing
    if not isinstance(spec, Classification | Regression):
        raise TypeError(f"{contract.name} answers with its outputs as they are.")
    rows = outputs[spec.output or contract.outputs[0].name]
    rows = rows.reshape(len(rows), -1)
    check_finite(rows, of=of)
    return rows


def check_finite(rows: Array, *, of: str) -> None:
    """Raise AnswersNotFinite where an item's answer holds NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1))
    if len(bad):
        told = ", ".join(map(str, bad[:_TOLD_ITEMS])) + (", …" if len(bad) > _TOLD_ITEMS else "")
        raise AnswersNotFinite(
            f"{of} answers NaN or infinity to {len(bad)} of {len(rows)} test items (numbers {told}), so nothing can be "
            "measured: train longer with a lower learning rate, or choose another form by `lambent quantize`."
        )


def score(rows: Array, spec: Classification) -> Scored:
    """Return the scores and answers that callers get of a classifier's output; raises ModelContractMismatch."""
    scores = np.asarray(activate(rows, spec), dtype=np.float64)
    best = scores.argmax(axis=1).astype(np.int64)
    answers = best
    if spec.threshold > 0:
        labels = [each.label for each in classify_rows(rows, spec, top_k=1)]
        answers = np.where([label is None for label in labels], UNANSWERED, best)
    return Scored(scores, best, answers)


def numbers(rows: Array, spec: Regression) -> NDArray[np.float64]:
    """Return the numbers that callers get of a regression's output, (items,), in the answer's unit."""
    return np.array([each.value for each in scale_rows(rows, spec)])
