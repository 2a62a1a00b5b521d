"""Real models that were declared wrongly: each goes through every step, is told what is wrong, and is not published."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner

from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, TensorSpec
from lambent.domain.card import CARD_FILE
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import GateClosed
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipes import digits
from lambent_toolkit.modelkit.report import Report
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.workbench import Workbench
from made_data import add

pytestmark = [FOREIGN_WARNINGS]


def imported(model: Path, declared: ModelContract, folder: Path) -> Report:
    """Import, quantize and evaluate a model on the digits."""
    import_model(model, declared, folder)
    Workbench(folder).quantize(Wish(measured=()), data="digits")
    return Workbench(folder).evaluate(data="digits")


def codes(report: Report) -> list[str]:
    return [each.code for each in report.findings or []]


@pytest.fixture(scope="module")
def own_scale(tmp_path_factory: pytest.TempPathFactory, trained_folder: Path) -> Path:
    """Return the digits model as Keras' tutorials build theirs: pixels go in, the first layer rescales them."""
    folder = tmp_path_factory.mktemp("own") / "rescaling.keras"
    trained = from_keras_file((trained_folder / "model.keras").read_bytes())
    with quiet():
        import keras

        pixels = keras.Input((28, 28, 1), name="image")
        keras.Model(pixels, trained(keras.layers.Rescaling(1 / 255)(pixels))).save(folder)
    return folder


def test_pixels_that_are_scaled_twice_are_found_and_stopped(own_scale: Path, tmp_path: Path) -> None:
    report = imported(own_scale, digits.CONTRACT, tmp_path / "twice")
    artifact = Artifact.read(tmp_path / "twice")
    shown = CliRunner().invoke(app, ["evaluate", str(tmp_path / "twice"), "--data", "digits"]).output

    assert "pictures_on_other_scale" in codes(report)
    assert "pixels from 0 to 255 (pixel * 1 + 0)" in shown.replace("\n", " ")
    assert "The gate will not let it be published" in shown
    assert "pixels from 0 to 255" in (tmp_path / "twice" / "report.html").read_text()
    assert "## Findings" in (tmp_path / "twice" / CARD_FILE).read_text()
    checks = check_artifact(artifact)
    with pytest.raises(GateClosed, match=r"sense: expected .* pictures_on_other_scale"):
        open_gate(checks, is_forced=False)
    assert open_gate(checks, is_forced=True) == ("sense",)


def test_labels_in_another_order_are_found_and_stopped(trained_folder: Path, tmp_path: Path) -> None:
    spec = msgspec.structs.replace(digits.CONTRACT.postprocessing, labels=tuple("1032456789"))
    exchanged = msgspec.structs.replace(digits.CONTRACT, postprocessing=spec)

    report = imported(trained_folder / "model.keras", exchanged, tmp_path / "exchanged")

    assert codes(report) == ["labels_in_other_order"]
    assert "0: 0, 1: 1, 2: 2, 3: 3" in report.findings[0].text
    with pytest.raises(GateClosed, match="labels_in_other_order"):
        open_gate(check_artifact(Artifact.read(tmp_path / "exchanged")), is_forced=False)


def test_the_limits_of_the_contract_itself_are_held(trained_folder: Path, tmp_path: Path) -> None:
    wanted = msgspec.structs.replace(digits.CONTRACT.quality, min_accuracy=0.999)
    demanding = msgspec.structs.replace(digits.CONTRACT, quality=wanted)

    report = imported(trained_folder / "model.keras", demanding, tmp_path / "demanding")

    assert codes(report) == []
    with pytest.raises(GateClosed, match=r"sense: .*at least 99\.90%, got min_accuracy: accuracy 9\d\.\d\d% < 99\.90%"):
        open_gate(check_artifact(Artifact.read(tmp_path / "demanding")), is_forced=False)


# Exchanged, only two of them are one another.
COLOURS = {"orange": (255, 128, 0), "rose": (255, 0, 128), "lime": (128, 255, 0), "azure": (0, 128, 255)}


@pytest.fixture
def paintings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelContract:
    """Make the data set `paintings`, noisy pictures of four colours; return a contract for it."""
    random = np.random.default_rng(31)
    monkeypatch.chdir(tmp_path)
    for name, colour in COLOURS.items():
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(60):
            pixels = np.clip(colour + random.normal(0, 30, (8, 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number:02}.png")
    add("paintings", tmp_path / "pictures", Path(".lambent/data"))
    return ModelContract(
        name="paintings",
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, 8, 8, 3)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 4)),),
        preprocessing=ImagePreprocessing(height=8, width=8, channels=3, scale=1 / 255),
        postprocessing=Classification(labels=tuple(sorted(COLOURS))),
    )


def made_for_bgr(file: Path, *, is_mended: bool = False) -> Path:
    """Save a model that finds the nearest colour among pixels that OpenCV read; mended, it exchanges them itself."""
    colours = np.array([COLOURS[name][::-1] for name in sorted(COLOURS)]) / 255
    with quiet():
        import keras

        pixels = keras.Input((8, 8, 3), name="image")
        exchanged = keras.ops.flip(pixels, axis=-1) if is_mended else pixels
        scores = keras.layers.Dense(4, activation="softmax", name="scores")
        model = keras.Model(pixels, scores(keras.layers.GlobalAveragePooling2D()(exchanged)))
        scores.set_weights([40 * colours.T, -20 * (colours**2).sum(axis=1)])
        model.save(file)
    return file


def painted(model: Path, declared: ModelContract, folder: Path) -> Report:
    import_model(model, declared, folder)
    if model.suffix == ".keras":
        Workbench(folder).quantize(Wish("float32", measured=()), data="paintings")
    return Workbench(folder).evaluate(data="paintings")


def test_red_and_blue_exchanged_are_found_in_every_kind_of_file_and_not_where_the_model_exchanges_them_itself(
    paintings: ModelContract, tmp_path: Path
) -> None:
    keras_report = painted(made_for_bgr(tmp_path / "bgr.keras"), paintings, tmp_path / "keras")
    (tmp_path / "bgr.tflite").write_bytes((tmp_path / "keras" / "model.tflite").read_bytes())
    tflite_report = painted(tmp_path / "bgr.tflite", paintings, tmp_path / "tflite")
    mended = painted(made_for_bgr(tmp_path / "mended.keras", is_mended=True), paintings, tmp_path / "mended")

    for report in (keras_report, tflite_report):
        assert "pictures_in_other_channels" in codes(report)
        assert any("with both exchanged 100.0%" in each.text for each in report.findings)
    assert codes(mended) == []
    assert mended.classification.accuracy.value == 1.0
    with pytest.raises(GateClosed, match="pictures_in_other_channels"):
        open_gate(check_artifact(Artifact.read(tmp_path / "keras")), is_forced=False)
