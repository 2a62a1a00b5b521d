"""Models evaluated and compared for real: in the serving interpreter, and in TensorFlow."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner, Result

from lambent.contracts.throughput import VersionThroughput
from lambent.domain.model import digest
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import DataNeeded, ModelFileExchanged
from lambent_toolkit.modelkit.evaluating.comparison_report import Comparison
from lambent_toolkit.modelkit.evaluating.contestants import ready_folder, trained_on
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.quantization import to_tflite
from lambent_toolkit.modelkit.quantization_report import QuantizationReport
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipe import prepare, split_items
from lambent_toolkit.modelkit.recipes import RECIPES, digits, find_recipe
from lambent_toolkit.modelkit.report import Report
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.workbench import Workbench

pytestmark = [FOREIGN_WARNINGS]
REGRESSION = Path(__file__).parents[1] / "fixtures" / "regression_recipe.py"


def lambent(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, trained_folder: Path) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("evaluated") / "first"
    shutil.copytree(trained_folder, folder)
    return folder, Workbench(folder).evaluate()


@pytest.fixture(scope="module")
def other_seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model that was trained for two epochs only."""
    bench = Workbench(tmp_path_factory.mktemp("other") / "second")
    bench.train(RECIPES["digits"].having(epochs=2, seed=11))
    bench.quantize(Wish(measured=()))
    bench.evaluate()
    return bench.folder


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = Workbench(tmp_path_factory.mktemp("regression") / "diabetes")
    bench.train(find_recipe(str(REGRESSION)))
    bench.quantize(Wish(measured=()))
    return bench.folder


def test_report_tells_of_this_file_beside_the_float_model_on_the_same_items(evaluated: tuple[Path, Report]) -> None:
    folder, report = evaluated

    assert report.model_sha256 == digest((folder / "model.tflite").read_bytes())
    assert (report.task, report.published, report.reference) == ("classification", "int8", "keras")
    assert list(report.variants) == ["keras", "int8", "float32"]
    assert report.data.name == "digits"
    assert report.data.test_items == 360
    assert report.loss.low <= report.loss.value <= report.loss.high
    lost = report.variants["keras"].accuracy - report.measured.accuracy
    assert report.loss.value == pytest.approx(100 * lost)
    assert report.loss.only_float_right - report.loss.only_variant_right == round(360 * lost)


def test_figures_of_real_digits_hang_together(evaluated: tuple[Path, Report]) -> None:
    figures = evaluated[1].classification

    assert figures.accuracy.value == evaluated[1].measured.accuracy
    assert figures.accuracy.low < figures.accuracy.value < figures.accuracy.high
    assert np.trace(figures.confusion) == round(360 * figures.accuracy.value)
    assert sum(each.items for each in figures.classes) == 360
    assert figures.auc.value > 0.97
    assert [each.k for each in figures.top_k] == [2, 3, 5]
    assert len(figures.mistakes) == min(24, 360 - int(np.trace(figures.confusion)))


def test_calibration_is_told_at_temperature_one_and_at_the_one_that_is_served(evaluated: tuple[Path, Report]) -> None:
    folder, report = evaluated
    quantization = msgspec.json.decode((folder / "quantization.json").read_bytes(), type=QuantizationReport)
    contract = msgspec.json.decode((folder / "contract.json").read_bytes())
    served = contract["postprocessing"].get("temperature", 1.0)

    temperatures = [each.temperature for each in report.classification.reliability]

    assert temperatures == list(dict.fromkeys([1.0, served]))
    assert served == (quantization.temperature.temperature if quantization.temperature else 1.0)


def test_latencies_are_those_of_one_and_two_threads_of_what_lambda_runs(evaluated: tuple[Path, Report]) -> None:
    variants = evaluated[1].variants

    assert [each.threads for each in variants["int8"].latencies] == [1, 2]
    assert all(each.p50_ms > 0 for each in variants["int8"].latencies)
    assert variants["keras"].latencies == []


def test_throughput_of_both_lanes_is_measured_where_it_runs(evaluated: tuple[Path, Report]) -> None:
    folder, report = evaluated
    measured = msgspec.json.decode((folder / "throughput.json").read_bytes(), type=VersionThroughput)
    published = report.variants[report.published]

    assert measured.served.runtime == published.runtime
    assert [rate.threads for rate in measured.served.rates] == [1, 2]
    assert all(rate.items_per_s > 0 for rate in measured.served.rates)
    assert measured.served.prepared_per_s > 0
    assert (measured.keras.backend, measured.keras.is_gpu) == ("tensorflow", False)
    assert measured.keras.rows_per_s > 0
    assert Artifact.read(folder).files["throughput.json"] == (folder / "throughput.json").read_bytes()


def test_the_same_evaluation_gives_the_same_figures_again(evaluated: tuple[Path, Report]) -> None:
    folder, report = evaluated

    again = Workbench(folder).evaluate()

    assert again.classification == report.classification
    assert again.loss == report.loss


def test_page_and_card_are_left_beside_the_report(evaluated: tuple[Path, Report]) -> None:
    folder, report = evaluated

    html, card = (folder / "report.html").read_text(), (folder / "card.md").read_text()

    assert html.count('class="thumbnail"') == len(report.classification.mistakes)
    assert f"{100 * report.measured.accuracy:.1f} %" in html
    assert "Handwritten digits with the small convolutional network" in card
    assert report.data.sha256 in card


def test_a_file_that_was_exchanged_after_quantizing_is_not_measured_as_the_other(
    evaluated: tuple[Path, Report], tmp_path: Path
) -> None:
    folder = tmp_path / "exchanged"
    shutil.copytree(evaluated[0], folder)
    shutil.copy(folder / "variants" / "float32.tflite", folder / "model.tflite")

    with pytest.raises(ModelFileExchanged, match="run `lambent quantize` again"):
        Workbench(folder).evaluate()


def test_a_bad_variant_is_reported_with_a_warning_and_left_to_the_gate(
    evaluated: tuple[Path, Report], tmp_path: Path
) -> None:
    folder = tmp_path / "bad"
    shutil.copytree(evaluated[0], folder)
    split = prepare(RECIPES["digits"])
    model = from_keras_file((folder / "model.keras").read_bytes())
    model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
    served = to_tflite(model, split.contract, variant="float32")
    quantization = msgspec.json.decode((folder / "quantization.json").read_bytes(), type=QuantizationReport)
    (folder / "model.tflite").write_bytes(served)
    (folder / "quantization.json").write_bytes(
        to_json(msgspec.structs.replace(quantization, model_sha256=digest(served)))
    )

    result = lambent("evaluate", folder)

    assert result.exit_code == 0
    assert "its calibration is most likely broken" in result.output
    assert "the gate will not let it be published" in result.output


def test_two_models_are_compared_on_the_items_on_which_they_differ(
    evaluated: tuple[Path, Report], other_seed: Path, tmp_path: Path
) -> None:
    result = lambent("compare", evaluated[0], other_seed, "--out", tmp_path)

    assert result.exit_code == 0, result.output
    found = msgspec.json.decode((tmp_path / "compare.json").read_bytes(), type=Comparison)
    assert (found.first.name, found.second.name, found.items) == ("first", "second", 360)
    assert found.first.metric.value == evaluated[1].measured.accuracy
    accuracy = found.differences[0]
    assert accuracy.value == pytest.approx(100 * (found.second.metric.value - found.first.metric.value))
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert len(found.differing_items) == found.differing
    telling = [each for each in found.differing_items if each.first.is_right or each.second.is_right]
    assert len(telling) == found.first_only + found.second_only
    assert found.differing_items[: len(telling)] == telling
    assert found.verdict in result.output.replace("\n", " ")
    assert (tmp_path / "compare.html").read_text().count('class="thumbnail"') == min(60, found.differing)
    assert found.warnings == []


def test_items_that_a_model_was_trained_on_are_counted(evaluated: tuple[Path, Report]) -> None:
    parts = split_items(RECIPES["digits"])
    ready = ready_folder(evaluated[0])

    assert trained_on(ready, parts["train"]) == len(parts["train"])
    assert trained_on(ready, parts["test"]) == 0


def test_models_that_answer_another_question_are_refused_with_a_code_of_their_own(
    evaluated: tuple[Path, Report], regression: Path
) -> None:
    Workbench(regression).evaluate()

    result = lambent("compare", evaluated[0], regression)

    assert result.exit_code == 93
    assert "kind image" in result.stderr.replace("\n", " ")


def test_a_regression_is_evaluated_in_its_unit_with_its_slices(regression: Path) -> None:
    report = Workbench(regression).evaluate()

    figures = report.regression
    assert figures.unit == "points"
    assert figures.rmse.value == pytest.approx(report.measured.rmse)
    assert figures.rmse.low < figures.rmse.value < figures.rmse.high
    assert 0.1 < figures.r2.value < 0.8
    assert {each.column for each in report.slices} == {"age", "sex"}
    assert sum(each.items for each in report.slices if each.column == "sex") == report.data.test_items
    assert report.loss.value == pytest.approx(report.measured.rmse / report.variants["keras"].rmse - 1)
    assert "RMSE" in (regression / "card.md").read_text()


def test_two_regressions_are_compared_by_a_paired_bootstrap(regression: Path, tmp_path: Path) -> None:
    Workbench(regression).evaluate()
    worse = Workbench(tmp_path / "worse")
    worse.train(find_recipe(str(REGRESSION)).having(epochs=1, batch_size=512))
    worse.quantize(Wish(measured=()))
    worse.evaluate()

    result = lambent("compare", worse.folder, regression, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    found = msgspec.json.decode((tmp_path / "out" / "compare.json").read_bytes(), type=Comparison)
    assert found.outcome == "second"
    assert "diabetes is better: its RMSE is" in result.output.replace("\n", " ")
    assert [each.metric for each in found.differences] == ["rmse", "mae"]


def test_an_imported_tflite_file_is_evaluated_on_named_data_and_keeps_its_provenance(
    evaluated: tuple[Path, Report], tmp_path: Path
) -> None:
    folder = tmp_path / "imported"
    source = tmp_path / "theirs.tflite"
    shutil.copy(evaluated[0] / "model.tflite", source)
    import_model(source, digits.CONTRACT, folder)

    with pytest.raises(DataNeeded):
        Workbench(folder).evaluate()
    report = Workbench(folder).evaluate(data="digits")

    assert (report.reference, report.loss, report.published) == (None, None, "imported")
    assert report.classification.accuracy.value == evaluated[1].classification.accuracy.value
    assert "imported from: theirs.tflite (tflite, sha256" in (folder / "card.md").read_text()
