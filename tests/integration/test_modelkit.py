"""The recipe for real: trained, quantized, and run in a process that has the layers' packages only."""

import shutil
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from trained import EPOCHS, FOREIGN_WARNINGS

from lambent.adapters.keras_model import KerasInterpreterLoader
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import TensorSpec
from lambent.domain.model import GOLDEN_FILES
from lambent.domain.preprocessing import make_preprocessor
from lambent.services.golden import GoldenVectors, verify_golden
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import ServingRefused
from lambent_toolkit.modelkit.recipe import held_out, prepare
from lambent_toolkit.modelkit.recipes import RECIPES, digits
from lambent_toolkit.modelkit.report import Report
from lambent_toolkit.modelkit.serving_check import ServingRun, serve
from lambent_toolkit.modelkit.serving_process import serving_layers
from lambent_toolkit.modelkit.training import train
from lambent_toolkit.modelkit.workbench import Workbench

pytestmark = [FOREIGN_WARNINGS]
# int8 scores have steps of 1/256, and the float model's may lie a few steps beside them.
INT8_TOLERANCE = 0.25


@pytest.fixture(scope="module")
def folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(trained_folder, tmp_path_factory.mktemp("modelkit") / "digits")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return Workbench(folder).evaluate()


@pytest.fixture(scope="module")
def serving_run(folder: Path) -> ServingRun:
    return serve((folder / "model.tflite").read_bytes(), digits.CONTRACT, held_out(RECIPES["digits"]).items[:20])


def test_few_epochs_already_read_most_digits(report: Report) -> None:
    assert report.source.epochs == EPOCHS
    assert report.variants["keras"].accuracy > 0.9


def test_int8_and_float_agree(report: Report) -> None:
    int8, float32 = report.variants["int8"], report.variants["float32"]

    assert float32.agreement == 1.0
    assert int8.agreement >= 0.97
    assert abs(int8.accuracy - float32.accuracy) <= 0.02


def test_int8_is_less_than_a_third_of_float32(report: Report) -> None:
    assert report.variants["int8"].size_bytes * 3 < report.variants["float32"].size_bytes


def test_report_says_with_what_it_was_made_and_measured(report: Report) -> None:
    assert report.tools["serving numpy"] == "1.26.4"
    assert report.tools["tensorflow"].startswith("2.21")
    assert report.data.train_items + report.data.validation_items + report.data.test_items == 1797


def test_int8_file_takes_and_gives_int8_under_the_contracts_names(folder: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=(folder / "model.tflite").read_bytes()).get_signature_runner()

    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    assert {name: details["dtype"] for name, details in inputs.items()} == {"image": np.int8}
    assert {name: details["dtype"] for name, details in outputs.items()} == {"scores": np.int8}


def test_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    split = prepare(RECIPES["digits"])

    first, again, other = (train(RECIPES["digits"].having(epochs=1, seed=seed), split).model for seed in (3, 3, 4))

    pairs = zip(first.get_weights(), again.get_weights(), strict=True)
    assert all(np.array_equal(one, two) for one, two in pairs)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_serving_check_loads_the_layers_packages_and_no_others(serving_run: ServingRun) -> None:
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    own = [file for file in map(Path, serving_run.origins) if not file.resolve().is_relative_to(standard)]
    foreign = [
        file
        for file in own
        if file.name != "serving_program.py" and not file.is_relative_to(serving_layers()[0].parents[1])
    ]

    assert foreign == []
    assert any("NumericLayer" in str(file) and "ai_edge_litert" in str(file) for file in own)
    assert any("CoreLayer" in str(file) and "preprocessing" in str(file) for file in own)


def test_layers_preprocess_to_the_same_bits_as_training(serving_run: ServingRun) -> None:
    expected = prepare(RECIPES["digits"]).test.tensors["image"][: len(serving_run.golden.raw)]

    assert np.array_equal(serving_run.golden.tensors["image"], expected)


def test_golden_vectors_hold_in_this_environments_interpreter_and_in_the_workers(folder: Path, report: Report) -> None:
    artifact = Artifact.read(folder)
    golden, keras_golden = (GoldenVectors.from_npz(artifact.files[name]) for name in GOLDEN_FILES.values())
    lite = LiteInterpreterLoader().load(folder / "model.tflite", artifact.contract)
    keras = KerasInterpreterLoader().load(folder / "model.keras", artifact.contract)
    preprocessor = make_preprocessor(artifact.contract, {})

    assert verify_golden(golden, artifact.contract, preprocessor, lite, output_tolerance=1 / 256) <= 1 / 256
    assert verify_golden(keras_golden, artifact.contract, preprocessor, keras) <= artifact.contract.golden_tolerance
    assert verify_golden(golden, artifact.contract, preprocessor, keras, output_tolerance=INT8_TOLERANCE) > 0
    assert artifact.report == report


def test_file_that_is_no_model_is_refused_with_its_code() -> None:
    with pytest.raises(ServingRefused) as caught:
        serve(b"PK\x03\x04 this is an archive", digits.CONTRACT, held_out(RECIPES["digits"]).items[:1])

    assert caught.value.code == "model_format_refused"


def test_file_whose_tensors_are_not_the_contracts_is_refused(folder: Path) -> None:
    other = digits.CONTRACT.__class__(
        name="digits",
        inputs=(TensorSpec(name="picture", datatype="FP32", shape=(-1, 28, 28, 1)),),
        outputs=digits.CONTRACT.outputs,
        preprocessing=digits.CONTRACT.preprocessing,
        postprocessing=digits.CONTRACT.postprocessing,
    )

    with pytest.raises(ServingRefused) as caught:
        serve((folder / "model.tflite").read_bytes(), other, held_out(RECIPES["digits"]).items[:1])

    assert caught.value.code == "model_contract_mismatch"
