"""What a model answers to samples tells what its numbers are, also where some of them overflow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lambent.contracts.model import TensorSpec
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.importing.trial import try_model

PICTURES = TensorSpec(name="picture", datatype="FP32", shape=(-1, 4, 4, 3))
SCORES = TensorSpec(name="scores", datatype="FP32", shape=(-1, 2))


def test_rows_that_overflow_leave_the_others_to_tell_what_an_output_is() -> None:
    def logarithms(tensors: Mapping[str, Array]) -> dict[str, Array]:
        bright = tensors["picture"].mean(axis=(1, 2, 3))
        score = np.where(bright > 1, 1.0, 0.25 + bright / 4)
        with np.errstate(divide="ignore"):
            return {"scores": np.log(np.stack([score, 1 - score], axis=1))}

    tried = try_model((PICTURES,), (SCORES,), logarithms)

    assert tried.kinds == {"scores": "log_probabilities"}
    assert tried.picture_gap is None


def test_nothing_is_said_of_an_output_that_is_never_finite() -> None:
    tried = try_model((PICTURES,), (SCORES,), lambda _: {"scores": np.full((8, 2), np.nan)})

    assert tried.kinds == {}
