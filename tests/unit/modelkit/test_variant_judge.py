"""What a variant's answers are worth, held against the float model's on the same items."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from builders import contract
from lambent.contracts.model import Classification, ModelContract, RawOutputs, Regression
from lambent_toolkit.modelkit.errors import ServingCheckFailed
from lambent_toolkit.modelkit.quantization_report import VariantMeasurement
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.variant_measurement import Judge, _try

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


def test_raw_outputs_are_judged_by_their_distance_from_the_float_model_s_and_by_nothing_else() -> None:
    declared = replace(contract(), postprocessing=RawOutputs())
    floats = np.array([[3.0, 4.0], [0.0, 5.0], [5.0, 0.0]])

    found = judged(floats + np.array([0.3, 0.4]), declared=declared, targets=np.array([0, 1, 1]), floats=floats)
    same = judged(floats, declared=declared, targets=np.array([0, 1, 1]), floats=floats)

    assert found.loss.value == found.output_error == pytest.approx(0.1)
    assert found.loss.low <= found.loss.value <= found.loss.high
    assert (found.rmse, found.r2, found.accuracy, found.agreement) == (None, None, None, None)
    assert same.loss.value == 0


@pytest.mark.parametrize("activation", ["sigmoid", "none"])
def test_labels_that_are_scored_each_for_itself_are_no_single_answer(activation: str) -> None:
    declared = replace(contract(), postprocessing=Classification(labels=("dark", "bright"), activation=activation))
    scores = np.array([[0.9, 0.8], [0.1, 0.2], [0.7, 0.6], [0.2, 0.9]])
    off = scores - np.array([[0, 0], [0, 0], [0, 0.2], [0, 0]])
    floats, outputs = (np.log(each / (1 - each)) if activation == "sigmoid" else each for each in (scores, off))

    judge = Judge(declared, Prepared([b""] * 4, CLASSES, {}), {"scores": floats})
    found = judge.judge({"scores": outputs}, size_bytes=1, load_ms=1.0, latencies=[])

    assert judge.metric == "outputs"
    assert "each label is scored for itself" in judge.unmeasured
    assert (found.accuracy, found.worst_class) == (None, None)
    assert found.agreement == pytest.approx(7 / 8)
    assert found.score_difference == pytest.approx(0.2)
    assert found.loss.value == pytest.approx(0.2 / np.sqrt((scores**2).sum()))


def test_a_distribution_of_rounded_scores_is_one_answer() -> None:
    rounded = np.round(np.random.default_rng(3).dirichlet(np.ones(2), 40) * 256) / 256

    assert (
        Judge(classifier(), Prepared([b""] * 40, np.zeros(40, np.int64), {}), {"scores": rounded}).metric == "accuracy"
    )


def test_a_regression_s_answers_are_held_to_the_spread_of_the_float_model_s() -> None:
    declared = replace(contract(), postprocessing=Regression(scale=10.0, offset=1000.0))
    floats = np.array([[-1.0], [1.0], [-1.0], [1.0]])

    found = judged(floats + 0.05, declared=declared, targets=np.full(4, 1000.0), floats=floats)

    assert found.output_error == pytest.approx(0.05)


class Slow:
    """A bench whose interpreter does not come to an end."""

    def predict(self, _variant: str) -> object:
        raise ServingCheckFailed("The serving interpreter gave no answer in 132 s.", waited_s=132.0)


def test_a_slow_variant_is_called_slow_and_not_crashed() -> None:
    assert _try(Slow(), "int16x8") == (
        "took longer than 132 s to answer the validation items, so that nothing is known of it"
    )
