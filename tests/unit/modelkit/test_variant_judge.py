"""What a variant's answers are worth, held against the float model's on the same items."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from builders import contract
from lambent.contracts.model import Classification, ModelContract, Regression
from lambent_toolkit.modelkit.quantization_report import VariantMeasurement
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.variant_measurement import Judge

FLOAT = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], dtype=np.float32)
CLASSES = np.array([0, 0, 1, 1])


def judged(
    outputs: np.ndarray, *, declared: ModelContract, targets: np.ndarray, floats: np.ndarray
) -> VariantMeasurement:
    name = declared.outputs[0].name
    judge = Judge(declared, Prepared([b""] * len(targets), targets, {}), {name: floats})
    return judge.judge({name: outputs}, size_bytes=10, load_ms=1.0, latencies=[])


def classifier() -> ModelContract:
    return replace(contract(), postprocessing=Classification(labels=("dark", "bright")))


def test_a_classifiers_drop_agreement_and_worst_class_are_of_the_same_items() -> None:
    flipped = FLOAT.copy()
    flipped[1] = [0.4, 0.6]

    found = judged(flipped, declared=classifier(), targets=CLASSES, floats=FLOAT)

    assert (found.accuracy, found.agreement) == (0.5, 0.75)
    assert found.loss.value == 25.0
    assert (found.loss.only_float_right, found.loss.only_variant_right) == (1, 0)
    assert found.worst_class is not None
    assert (found.worst_class.label, found.worst_class.drop_pt, found.worst_class.items) == ("dark", 50.0, 2)
    assert found.output_error_max == pytest.approx(0.4)
    assert found.output_error_mean == pytest.approx(0.1)
    assert found.rmse is None


def test_a_regressions_errors_are_in_the_unit_of_its_answer() -> None:
    declared = replace(contract(), postprocessing=Regression(scale=10.0, offset=100.0, unit="EUR"))
    targets = np.array([100.0, 110.0, 120.0, 130.0])
    floats = np.array([[0.1], [0.9], [2.1], [2.9]])

    found = judged(2 * floats - floats.round(), declared=declared, targets=targets, floats=floats)

    assert found.rmse == pytest.approx(2.0)
    assert found.loss.value == pytest.approx(1.0)
    assert found.output_error_max == pytest.approx(0.1)
    assert found.r2 == pytest.approx(1 - 4 / 125)
    assert found.accuracy is None
    assert found.agreement is None
