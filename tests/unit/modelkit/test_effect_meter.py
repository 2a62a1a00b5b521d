"""What a file does to the answers is measured on every output that callers get, and on no other."""

from __future__ import annotations

import numpy as np
import pytest

from builders import contract
from lambent.contracts.model import Classification, RawOutputs, TensorPreprocessing, TensorSpec
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.sensitivity import EffectMeter

ITEMS = 6
BOXES = np.zeros((ITEMS, 3, 2), np.float32)
SCORES = np.full((ITEMS, 2), 0.5, np.float32)
OUTPUTS = tuple(
    TensorSpec(name=name, datatype="FP32", shape=shape) for name, shape in (("boxes", (-1, 3, 2)), ("scores", (-1, 2)))
)


@pytest.mark.parametrize(
    ("answer", "error"),
    [(RawOutputs(), 0.5), (Classification(labels=("a", "b"), output="scores"), 1.0)],
    ids=["all outputs", "the one with the labels"],
)
def test_an_error_of_an_output_that_is_answered_counts(answer: object, error: float) -> None:
    declared = contract(outputs=OUTPUTS, postprocessing=answer, preprocessing=TensorPreprocessing())
    meter = EffectMeter(declared, Prepared([], np.arange(ITEMS) % 2, {}), {"boxes": BOXES, "scores": SCORES})

    effect = meter.judge({"boxes": BOXES, "scores": SCORES + 1})

    # Two of the eight numbers of an item are off by one.
    assert effect.output_error == pytest.approx(error)
