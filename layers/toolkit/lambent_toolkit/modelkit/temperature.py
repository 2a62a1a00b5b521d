"""Temperature scaling: scores that are as often right as they say.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. One number divides the logits; it is fitted on
validation data to the scores of the very file that is served, after quantization, which changes them. The best class
stays the best: only its confidence moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from lambent.contracts.model import Classification
from lambent.contracts.tensor import Array
from lambent.domain.postprocessing import activate, per_label
from lambent_toolkit.modelkit.evaluating.calibration import BINS, are_probabilities, log_losses, reliability
from lambent_toolkit.modelkit.quantization_report import TemperatureFigures
from lambent_toolkit.modelkit.report import Reliability

FEWEST_ITEMS = 100
# Where it is searched, and what of that is believed: beyond, the likelihood is all but flat, for want of mistakes.
_SEARCHED = (0.05, 20.0)
_BELIEVED = (0.1, 10.0)
# Less is rounding: the answers would change without being any better.
_LEAST_GAIN_NATS = 1e-4
# What a float32 probability of zero may have been.
_FLOAT_STEP = 2.0**-23


@dataclass(frozen=True)
class TemperatureFit:
    """What came of fitting: ``figures`` and the reliability before and after, or ``note``, why there is none."""

    figures: TemperatureFigures | None = None
    note: str | None = None
    before: Reliability | None = None
    after: Reliability | None = None


def fit_temperature(
    rows: Array, classes: NDArray[np.int64], spec: Classification, *, output_step: float = 0.0
) -> TemperatureFit:
    """Fit the temperature by the least negative log-likelihood.

    Parameters
    ----------
    rows          (items, labels), the model's output as it is: logits, or probabilities if ``spec.activation`` is none;
                  (items, 1) for two labels
    classes       (items,), the true classes
    spec          how the output becomes scores; its own temperature is left out of account
    output_step   distance of two neighbouring values of a quantized output, 0 if it is not quantized. A probability
                  that was rounded to zero is taken for half a step: the logarithm of zero would outweigh all others
    """
    from scipy.optimize import minimize_scalar

    rows, spec = per_label(rows, spec)
    if len(classes) < FEWEST_ITEMS:
        return TemperatureFit(
            note=f"The validation part has {len(classes)} items; a temperature fitted to fewer than {FEWEST_ITEMS} "
            "would fit their chance."
        )
    is_one_right = spec.activation != "sigmoid"
    if not are_probabilities(_scores(rows, spec, 1.0), is_one_right=is_one_right):
        return TemperatureFit(note="The scores are no probabilities: there is no confidence to scale.")
    clipped = np.maximum(rows, (output_step or _FLOAT_STEP) / 2) if spec.activation == "none" else rows

    def nll(log_temperature: float) -> float:
        scores = _scores(clipped, spec, exp(log_temperature))
        return float(log_losses(scores, classes, is_one_right=is_one_right).mean())

    # Convex in 1/T, so there is one minimum.
    bounds = (log(_SEARCHED[0]), log(_SEARCHED[1]))
    found = minimize_scalar(nll, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    temperature, before, after = exp(found.x), nll(0.0), float(found.fun)
    if before - after < _LEAST_GAIN_NATS:
        return TemperatureFit(note=f"No temperature but 1 makes the scores any likelier (NLL {before:.4f}).")
    if not _BELIEVED[0] <= temperature <= _BELIEVED[1]:
        return TemperatureFit(
            note=f"The scores are likeliest at a temperature beyond {_BELIEVED[0]:g} to {_BELIEVED[1]:g}: the "
            "validation part has too few mistakes, or too few right answers, to tell how sure to be."
        )
    at = [
        reliability(_scores(rows, spec, each), classes, temperature=each, is_one_right=is_one_right)
        for each in (1.0, temperature)
    ]
    figures = TemperatureFigures(
        temperature=temperature,
        ece_before=at[0].ece,
        ece_after=at[1].ece,
        nll_before=before,
        nll_after=after,
        bins=BINS,
    )
    return TemperatureFit(figures, before=at[0], after=at[1])


def _scores(rows: Array, spec: Classification, temperature: float) -> NDArray[np.float64]:
    """Return the scores as serving makes them at a temperature."""
    return np.asarray(activate(rows, replace(spec, temperature=temperature)), dtype=np.float64)
