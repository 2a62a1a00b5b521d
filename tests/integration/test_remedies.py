"""What helps where int8 costs too much, on a model with a planted fault: which layers, mixed precision, fine-tuning."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from lambent_toolkit.modelkit.calibration import sample, stratified_order
from lambent_toolkit.modelkit.errors import LayerUnsupported, NoVariantHolds
from lambent_toolkit.modelkit.quantization import to_tflite
from lambent_toolkit.modelkit.quantization_aware import fine_tune
from lambent_toolkit.modelkit.recipe import Split, prepare
from lambent_toolkit.modelkit.recipes import find_recipe
from lambent_toolkit.modelkit.remedies import Adapted, Mixed, Remedies, keras_outputs
from lambent_toolkit.modelkit.remedies_page import layers_table, sensitivity_page
from lambent_toolkit.modelkit.selective_quantization import SelectiveQuantizer
from lambent_toolkit.modelkit.sensitivity import run_file
from lambent_toolkit.modelkit.training import from_keras_file, to_keras_file, train
from lambent_toolkit.reporting.page import render_page

pytestmark = [FOREIGN_WARNINGS]
RECIPE = Path(__file__).parents[1] / "fixtures" / "badly_scaled_recipe.py"
LIMIT_PT = 1.0
FINE_TUNING = {"batch_size": 32, "seed": 7, "epochs": 8}


@pytest.fixture(scope="module")
def split() -> Split:
    return prepare(find_recipe(str(RECIPE)))


@pytest.fixture(scope="module")
def calibration(split: Split) -> dict:
    return sample(split.train, stratified_order(split.train.targets)[:300])


@pytest.fixture(scope="module")
def keras_file(split: Split) -> bytes:
    network = train(find_recipe(str(RECIPE)), split).model
    runpy.run_path(str(RECIPE))["scale_badly"](network)
    return to_keras_file(network)


@pytest.fixture(scope="module")
def remedies(keras_file: bytes, split: Split, calibration: dict) -> Remedies:
    return Remedies(keras_file, split, calibration)


@pytest.fixture(scope="module")
def mixed(remedies: Remedies) -> Mixed:
    return remedies.mixed(limit=LIMIT_PT)


@pytest.fixture(scope="module")
def adapted(remedies: Remedies) -> Adapted:
    return remedies.fine_tuned(**FINE_TUNING)


def test_the_planted_fault_costs_int8_many_answers(mixed: Mixed) -> None:
    assert mixed.report.int8.loss.low > 5.0


def test_sensitivity_names_the_two_layers_of_the_planted_fault(mixed: Mixed) -> None:
    ranking = [each.layer for each in mixed.report.layers]

    assert set(ranking[:2]) == {"depthwise", "pointwise"}
    assert set(ranking[2:]) == {"stem", "hidden", "scores"}
    assert mixed.report.layers[1].alone.output_error > 10 * mixed.report.layers[2].alone.output_error


def test_mixed_precision_holds_the_limit_in_the_serving_interpreter(mixed: Mixed) -> None:
    found = mixed.report.mixed

    assert found is not None
    assert found.effect.loss.value <= LIMIT_PT
    assert found.float_layers == ["depthwise", "pointwise"]


def test_mixed_precision_costs_few_bytes(mixed: Mixed, keras_file: bytes, split: Split, calibration: dict) -> None:
    model = from_keras_file(keras_file)
    int8, float16 = (
        len(to_tflite(model, split.contract, variant=variant, calibration=calibration))
        for variant in ("int8", "float16")
    )

    assert mixed.tflite_file is not None
    assert len(mixed.tflite_file) < 1.1 * int8
    assert len(mixed.tflite_file) < 0.9 * float16


def test_a_limit_that_int8_holds_leaves_no_layer_in_float(remedies: Remedies) -> None:
    whole = remedies.mixed(limit=100.0)

    assert whole.tflite_file is None
    assert whole.report.mixed is not None
    assert whole.report.mixed.float_layers == []


def test_a_limit_that_nothing_holds_is_refused_with_the_reason(remedies: Remedies) -> None:
    with pytest.raises(NoVariantHolds, match="Even with all 5 layers in float"):
        remedies.mixed(limit=-100.0)


def test_without_float_layers_the_file_answers_as_the_int8_variant_does(
    keras_file: bytes, split: Split, calibration: dict
) -> None:
    whole = SelectiveQuantizer(keras_file, split.contract, calibration).quantize()
    int8 = to_tflite(from_keras_file(keras_file), split.contract, variant="int8", calibration=calibration)

    ours, theirs = (run_file(file, split.contract, split.validation.tensors)["scores"] for file in (whole, int8))
    assert np.array_equal(ours, theirs)


def test_fine_tuning_for_int8_wins_back_most_of_the_drop(adapted: Adapted) -> None:
    assert adapted.report.qat.loss.value < adapted.report.int8.loss.value / 2
    assert adapted.report.qat.output_error < adapted.report.int8.output_error


def test_what_was_fine_tuned_is_what_was_converted(adapted: Adapted, split: Split, calibration: dict) -> None:
    from lambent_toolkit.modelkit.fake_quantization import fake_quantized, leave_weights_to_converter

    copy = fake_quantized(from_keras_file(adapted.keras_file))
    copy.compile("sgd", "sparse_categorical_crossentropy")
    copy.optimizer.learning_rate = 0.0
    copy.fit(split.train.tensors["image"], split.train.targets, verbose=0)
    felt = copy.predict(split.validation.tensors["image"], verbose=0)
    leave_weights_to_converter(copy)
    file = to_tflite(copy, split.contract, variant="int8", calibration=calibration)

    served = run_file(file, split.contract, split.validation.tensors)["scores"]
    # Scores have steps of 1/256; rounding at a tie may go the other way in any of six layers.
    assert np.abs(served - felt).mean() < 1 / 256
    assert np.mean(served.argmax(axis=1) == felt.argmax(axis=1)) >= 0.98


def test_fine_tuned_model_is_an_ordinary_keras_model_of_the_same_layers(
    adapted: Adapted, keras_file: bytes, split: Split
) -> None:
    before, after = (from_keras_file(file) for file in (keras_file, adapted.keras_file))

    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers]
    assert keras_outputs(adapted.keras_file, split)["scores"].shape == (len(split.validation), 10)


def test_same_seed_fine_tunes_to_the_same_file(keras_file: bytes, split: Split, calibration: dict) -> None:
    first, second = (
        fine_tune(keras_file, split, calibration, batch_size=64, seed=7, epochs=1).tflite_file for _ in range(2)
    )

    assert first == second


def test_a_layer_without_a_fake_quantized_form_is_refused_by_its_name() -> None:
    from keras import Input, Sequential, layers

    from lambent_toolkit.modelkit.fake_quantization import fake_quantized

    model = Sequential([Input((4, 3)), layers.LSTM(2, name="memory"), layers.Dense(1)])

    with pytest.raises(LayerUnsupported, match=r"Layer memory \(LSTM\).*Conv2D"):
        fake_quantized(model)


def test_page_names_the_layers_left_in_float_and_what_that_wins(mixed: Mixed) -> None:
    page = render_page(sensitivity_page(mixed.report))

    assert "With depthwise, pointwise in float" in page
    assert layers_table(mixed.report).highlighted_rows == {0, 1}
