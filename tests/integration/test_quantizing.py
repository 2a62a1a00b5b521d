"""`lambent quantize` for real: every variant made, measured where it serves, and one chosen by the figures."""

from __future__ import annotations

import errno
import os
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs
from trained import FOREIGN_WARNINGS

from lambent.contracts.model import Classification
from lambent.domain.model import digest
from lambent_toolkit.modelkit.calibration import choose_calibration
from lambent_toolkit.modelkit.errors import (
    ConversionFailed,
    FolderNotWritable,
    ModelNotFinite,
    ServingCheckFailed,
    StepMissing,
)
from lambent_toolkit.modelkit.evaluating.subject import with_temperature
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.made_model import open_model
from lambent_toolkit.modelkit.quantization_limit import Limit
from lambent_toolkit.modelkit.quantization_report import QuantizationReport
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipes import RECIPES, digits, find_recipe
from lambent_toolkit.modelkit.remedies_step import RemediesBench
from lambent_toolkit.modelkit.serving_check import Answers, ServingBench
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file, to_keras_file
from lambent_toolkit.modelkit.variant_files import calibration_rows
from lambent_toolkit.modelkit.variant_measurement import Judge, measure_variants
from lambent_toolkit.modelkit.variants import VARIANTS
from lambent_toolkit.modelkit.workbench import Workbench

pytestmark = [FOREIGN_WARNINGS]
FIXTURES = Path(__file__).parents[1] / "fixtures"
BADLY_SCALED = FIXTURES / "badly_scaled_recipe.py"


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_weights(folder: Path, change: object) -> None:
    """Change a folder's trained model."""
    model = from_keras_file((folder / "model.keras").read_bytes())
    change(model)  # type: ignore[operator]
    (folder / "model.keras").write_bytes(to_keras_file(model))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, trained_folder: Path) -> Path:
    """Return a folder in which everything of the digits model was measured, after an evaluation of an older file."""
    folder = copied(trained_folder, tmp_path_factory.mktemp("quantizing") / "digits")
    (folder / "report.json").write_bytes(b"of an older model.tflite")
    Workbench(folder).quantize(Wish(variant="auto", target="size"))
    return folder


@pytest.fixture(scope="module")
def report(measured: Path) -> QuantizationReport:
    return msgspec.json.decode((measured / "quantization.json").read_bytes(), type=QuantizationReport)


@pytest.fixture(scope="module")
def badly_scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a trained model that int8 costs many answers."""
    folder = tmp_path_factory.mktemp("badly-scaled")
    Workbench(folder).train(find_recipe(str(BADLY_SCALED)))
    with_weights(folder, runpy.run_path(str(BADLY_SCALED))["scale_badly"])
    return folder


def test_all_variants_are_measured_in_the_serving_interpreter(report: QuantizationReport) -> None:
    assert [row.variant for row in report.variants] == list(VARIANTS)
    assert report.tools["serving numpy"] == "1.26.4"
    for row in report.variants:
        assert row.problem is None
        assert row.measured is not None
        assert {latency.threads for latency in row.measured.latencies} == {1, 2}
        assert row.measured.agreement is not None
        assert row.measured.agreement >= 0.97
        assert row.measured.load_ms > 0


def test_quantized_variants_are_smaller_and_their_outputs_differ(report: QuantizationReport) -> None:
    figures = {row.variant: row.measured for row in report.variants if row.measured}

    assert figures["float16"].size_bytes < 0.6 * figures["float32"].size_bytes
    assert figures["int8"].size_bytes < 0.35 * figures["float32"].size_bytes
    assert figures["float32"].output_error_max < 1e-5 < figures["int8"].output_error_max


def test_every_file_is_there_as_the_report_tells_and_the_chosen_one_is_served(
    measured: Path, report: QuantizationReport
) -> None:
    for row in report.variants:
        assert digest((measured / "variants" / f"{row.variant}.tflite").read_bytes()) == row.sha256
    assert digest((measured / "model.tflite").read_bytes()) == report.model_sha256
    assert report.row(report.choice.variant).sha256 == report.model_sha256
    assert (measured / "quantization.html").exists()


def test_the_target_size_does_not_end_with_a_file_of_floats(report: QuantizationReport) -> None:
    assert report.choice.mode == "auto"
    assert report.choice.variant in {"int8", "int16x8", "dynamic"}
    assert len(report.choice.steps) == len(VARIANTS)


def test_the_evaluation_of_the_former_file_is_gone(measured: Path) -> None:
    assert not (measured / "report.json").exists()


def test_calibration_can_be_repeated_and_is_what_the_remedies_take(measured: Path, report: QuantizationReport) -> None:
    made = open_model(measured)
    float_file = (measured / "variants" / "float32.tflite").read_bytes()

    again = choose_calibration(float_file, made.split)

    assert again.figures == report.calibration
    with np.load(measured / "calibration.npz") as saved:
        assert np.array_equal(saved["rows"], again.rows)
    assert made.float_model is not None
    assert np.array_equal(calibration_rows(measured, made.float_model, made.split), again.rows)


def test_a_loose_tolerance_takes_fewer_items(measured: Path) -> None:
    made = open_model(measured)
    float_file = (measured / "variants" / "float32.tflite").read_bytes()

    loose = choose_calibration(float_file, made.split, tolerance=0.9).figures
    bounded = choose_calibration(float_file, made.split, tolerance=0.0, most_items=50).figures

    assert (loose.items, loose.converged) == (128, True)
    assert [each.items for each in loose.rounds] == [32, 64, 128]
    assert (bounded.items, bounded.converged) == (50, False)
    assert set(bounded.items_by_stratum.values()) == {5}


def test_the_temperature_goes_into_the_contract(measured: Path, report: QuantizationReport) -> None:
    declared = open_model(measured).split.contract

    served = with_temperature(declared, report)

    assert isinstance(served.postprocessing, Classification)
    expected = 1.0 if report.temperature is None else report.temperature.temperature
    assert served.postprocessing.temperature == expected
    assert (report.temperature is None) != (report.temperature_note is None)


def test_a_planted_fault_makes_auto_fall_back_past_int8_with_the_reason(badly_scaled: Path) -> None:
    report = Workbench(badly_scaled).quantize(Wish(variant="auto", limit=Limit(1.0, "pt")))

    int8 = report.choice.steps[0]
    assert (int8.variant, int8.outcome) == ("int8", "over_limit")
    assert "> 1 pt" in int8.reason
    assert report.choice.variant != "int8"
    page = (badly_scaled / "quantization.html").read_text()
    assert f"lambent sensitivity {badly_scaled} --mixed --qat" in page


def test_what_sensitivity_made_of_this_model_is_a_candidate_and_can_be_named(badly_scaled: Path) -> None:
    RemediesBench(badly_scaled).mixed(limit=1.0)

    report = Workbench(badly_scaled).quantize(Wish(variant="mixed", limit=Limit(1.0, "pt"), measured=("int8",)))

    assert [row.variant for row in report.variants] == ["float32", "int8", "mixed"]
    assert (report.choice.variant, report.choice.holds_limit) == ("mixed", True)
    assert (badly_scaled / "model.tflite").read_bytes() == (badly_scaled / "variants" / "mixed.tflite").read_bytes()

    with_weights(badly_scaled, lambda model: model.set_weights([0.9 * each for each in model.get_weights()]))
    with pytest.raises(StepMissing, match=r"no variants/mixed\.tflite of this very model"):
        Workbench(badly_scaled).quantize(Wish(variant="mixed"))


def test_a_regression_is_chosen_by_its_rmse(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.train(find_recipe(str(FIXTURES / "progression_recipe.py")))

    report = bench.quantize(Wish(limit=Limit(5.0, "%")))

    float32 = report.row("float32").measured
    assert report.metric == "rmse"
    assert float32 is not None
    assert report.float_model.rmse is not None
    assert 40 < report.float_model.rmse < 200
    assert float32.rmse == pytest.approx(report.float_model.rmse, rel=1e-4)
    assert float32.accuracy is None
    assert report.choice.holds_limit
    assert report.temperature_note == "The model is no classifier: there are no scores to scale."
    assert report.calibration is not None
    assert list(report.calibration.items_by_stratum) == [f"quantile {number} of 10" for number in range(1, 11)]


def test_two_inputs_of_token_ids_are_measured_and_what_does_not_convert_is_a_row(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.train(RECIPES["language"].having(epochs=1))

    report = bench.quantize(Wish(measured=("int8", "int16x8")))

    int16x8 = report.row("int16x8")
    assert int16x8.measured is None
    assert int16x8.problem is not None
    assert int16x8.problem.startswith("does not convert: ")
    assert not (tmp_path / "variants" / "int16x8.tflite").exists()
    assert report.row("int8").measured is not None
    assert report.choice.variant == "dynamic"  # the recipe names it


@pytest.mark.parametrize("datatype", ["FP32", "UINT8"])
def test_an_imported_saved_model_is_quantized_like_a_trained_one(
    tmp_path: Path, datatype: str, trained_folder: Path
) -> None:
    trained = from_keras_file((trained_folder / "model.keras").read_bytes())
    takes_pixels = datatype == "UINT8"
    declared = digits.CONTRACT
    if takes_pixels:
        spec = structs.replace(declared.inputs[0], datatype=datatype)
        pixels = structs.replace(declared.preprocessing, scale=1.0, offset=0.0)
        declared = structs.replace(declared, inputs=(spec,), preprocessing=pixels)
    with quiet():
        import keras
        import tensorflow as tf

        def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"scores": trained(tf.cast(image, tf.float32) / (255 if takes_pixels else 1))}

        archive = keras.export.ExportArchive()
        archive.track(trained)
        signature = [tf.TensorSpec([None, 28, 28, 1], tf.uint8 if takes_pixels else tf.float32, name="image")]
        archive.add_endpoint("serving_default", serve, input_signature=signature)
        archive.write_out(str(tmp_path / "saved"), verbose=False)
    import_model(tmp_path / "saved", declared, tmp_path / "model")

    report = Workbench(tmp_path / "model").quantize(Wish(measured=("int8",)), data="digits")

    int8 = report.row("int8").measured
    assert report.float_model.name == "saved_model"
    assert int8 is not None
    assert int8.agreement is not None
    assert int8.agreement >= 0.97
    assert int8.size_bytes < 0.35 * report.float_model.size_bytes


def test_few_validation_items_have_no_temperature(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.train(RECIPES["wine"].having(epochs=1))

    report = bench.quantize(Wish(measured=()))

    assert report.temperature is None
    assert "has 27 items" in (report.temperature_note or "")


def test_an_operator_without_a_kernel_ends_with_what_the_converter_says(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.train(find_recipe(str(FIXTURES / "unsupported_recipe.py")))
    before = contents(tmp_path)

    with pytest.raises(ConversionFailed, match=r"cannot make a float32 file of wine.*no kernel for Asinh"):
        bench.quantize()

    assert contents(tmp_path) == before


def test_weights_that_are_no_numbers_are_told_and_nothing_changes(tmp_path: Path, trained_folder: Path) -> None:
    folder = copied(trained_folder, tmp_path / "digits")
    with_weights(
        folder, lambda model: model.layers[-1].set_weights([each * np.nan for each in model.layers[-1].get_weights()])
    )
    before = contents(folder)

    with pytest.raises(ModelNotFinite, match="NaN"):
        Workbench(folder).quantize()

    assert contents(folder) == before


def test_full_disk_and_ctrl_c_leave_the_former_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_folder: Path
) -> None:
    folder = copied(trained_folder, tmp_path / "digits")
    before = contents(folder)
    full, interrupted = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()

    for raised, expected in ((full, FolderNotWritable), (interrupted, KeyboardInterrupt)):

        def sync(_descriptor: int, raised: BaseException = raised) -> None:
            raise raised

        monkeypatch.setattr(os, "fsync", sync)
        with pytest.raises(expected):
            Workbench(folder).quantize(Wish(measured=()))

        assert contents(folder) == before


def test_a_variant_that_is_refused_or_kills_its_interpreter_costs_the_others_nothing(
    measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = open_model(measured)
    assert made.float_model is not None
    judge = Judge(
        made.split.contract, made.split.validation, made.float_model.outputs(made.split.validation, made.split.contract)
    )
    predict = ServingBench.predict

    def predict_or_die(bench: ServingBench, variant: str) -> Answers:
        if variant == "int8":
            raise ServingCheckFailed("The serving interpreter ended with signal SIGSEGV: it wrote nothing")
        answers = predict(bench, variant)
        if variant == "dynamic":
            return replace(answers, outputs={name: array * np.nan for name, array in answers.outputs.items()})
        return answers

    monkeypatch.setattr(ServingBench, "predict", predict_or_die)
    file = (measured / "variants" / "float32.tflite").read_bytes()

    found = measure_variants(
        made.split, {"float32": file, "float16": b"\0\0\0\0TFL3 no model", "int8": file, "dynamic": file}, judge
    )

    problems = {row.variant: row.problem for row in found.rows}
    assert problems["float32"] is None
    assert "the serving interpreter refuses it" in (problems["float16"] or "")
    assert "crashes when it serves: The serving interpreter ended with signal SIGSEGV" in (problems["int8"] or "")
    assert problems["dynamic"] == "answers NaN or infinity"
    assert set(found.answers) == {"float32"}
