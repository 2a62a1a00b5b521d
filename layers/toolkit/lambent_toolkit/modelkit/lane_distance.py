"""How far the served file's answers lie from the float model's: what a caller sees change from one lane to the other.

The CPU lane serves the .tflite file, the GPU lane the float model. Whether both are equally often right says little
about that: a third of the answers may differ and as many be right. Neither targets nor labels are needed to measure it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import numpy as np

from lambent.contracts.model import Classification, ModelContract, QualityLimits, RawOutputs
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.each_label import decisions, is_each_label_for_itself
from lambent_toolkit.modelkit.quantization_loss import relative_error

# What a limit on the scores is held against: the largest of many items grows with their number, this does not.
KEPT_SHARE = 0.99
_ROUNDING = 1e-9


class Distance(Protocol):
    """The figures that limits are held to; None where the model has no such answer."""

    @property
    def agreement(self) -> float | None:
        """Share of items, or of an item's labels where each is scored for itself, that both answer alike."""
        ...

    @property
    def score_difference(self) -> float | None:
        """Largest difference of an item's scores, 0 to 1, that 99 of 100 items keep to."""
        ...

    @property
    def output_error(self) -> float | None:
        """Root mean square of the difference as a share of the outputs' own, or of the answers' spread."""
        ...


@dataclass(frozen=True)
class LaneLimits:
    """How far the two lanes may lie apart; without arguments, as far as they like.

    Parameters
    ----------
    min_agreement, max_score_difference, max_output_error   as in `QualityLimits`
    """

    min_agreement: float = 0.0
    max_score_difference: float = inf
    max_output_error: float = inf

    @classmethod
    def of(cls, quality: QualityLimits) -> LaneLimits:
        """Return a contract's limits."""
        return cls(quality.min_agreement, quality.max_score_difference, quality.max_output_error)

    def broken(self, distance: Distance) -> list[str]:
        """Return each limit that is broken, with both numbers; NaN breaks a limit."""
        found = []
        if not self.holds_agreement(distance):
            found.append(f"agreement with the float model {distance.agreement:.2%} < {self.min_agreement:.2%}")
        if not self.holds_scores(distance):
            found.append(
                f"scores up to {distance.score_difference:.3f} from the float model's > {self.max_score_difference:g}"
            )
        if not self.holds_output_error(distance):
            found.append(f"answers {distance.output_error:.2%} off the float model's > {self.max_output_error:.2%}")
        return found

    def holds_agreement(self, distance: Distance) -> bool:
        """Return whether enough is answered alike, as far as that is known."""
        return distance.agreement is None or distance.agreement >= self.min_agreement - _ROUNDING

    def holds_scores(self, distance: Distance) -> bool:
        """Return whether the scores lie near enough, as far as that is known."""
        return distance.score_difference is None or distance.score_difference <= self.max_score_difference + _ROUNDING

    def holds_output_error(self, distance: Distance) -> bool:
        """Return whether the outputs lie near enough, as far as that is known."""
        return distance.output_error is None or distance.output_error <= self.max_output_error + _ROUNDING


NO_LIMITS = LaneLimits()


def lane_distance(
    outputs: Mapping[str, Array], reference: Mapping[str, Array], contract: ModelContract
) -> dict[str, Any]:
    """Return agreement, score_difference and output_error, those that the contract's answer has.

    Parameters
    ----------
    outputs, reference   by name, (items, …), of the same items
    """
    spec = contract.postprocessing
    if isinstance(spec, RawOutputs):
        return {"output_error": max(relative_error(outputs[name], reference[name]) for name in reference)}
    ours, theirs = (answer_rows(each, contract, of=contract.name) for each in (outputs, reference))
    if not isinstance(spec, Classification):
        values, expected = numbers(ours, spec), numbers(theirs, spec)
        return {"output_error": relative_error(values, expected, around=float(expected.mean()))}
    scored, expected_scores = score(ours, spec), score(theirs, spec)
    furthest = np.abs(scored.scores - expected_scores.scores).max(axis=1)
    if is_each_label_for_itself(expected_scores.scores, spec):
        alike = decisions(scored.scores, spec) == decisions(expected_scores.scores, spec)
    else:
        alike = scored.answers == expected_scores.answers
    return {
        "agreement": float(alike.mean()),
        "score_difference": float(np.quantile(furthest, KEPT_SHARE, method="higher")),
    }
