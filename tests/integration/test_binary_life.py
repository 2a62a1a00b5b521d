"""A binary classifier, Dense(1, sigmoid) with preprocessing inside, from its file to answers: as people train them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from live_models import live_model
from PIL import Image
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner

from lambent.services.predict import Timings, predict_items
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.data_source import find_data
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

pytestmark = [FOREIGN_WARNINGS]
SIDE, EACH = 8, 60
LABELS = ("bar", "disc")


def pictures(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Draw noisy bars and discs into one folder a class, and return them with their classes."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    forms = {"bar": np.abs(x) < 0.2, "disc": x**2 + y**2 < 0.5}
    drawn, classes = [], []
    for number, (name, form) in enumerate(forms.items()):
        (folder / name).mkdir(parents=True)
        for index in range(EACH):
            pixels = (random.integers(0, 90, (SIDE, SIDE, 3)) + 150 * form[:, :, None]).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
            drawn.append(pixels)
            classes.append(number)
    return np.array(drawn, np.float32), np.array(classes)


@pytest.fixture(scope="module", params=["sigmoid", None], ids=["score", "logit"])
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained model and its data set: of scores, then of logits."""
    folder = tmp_path_factory.mktemp("binary")
    drawn, classes = pictures(folder / "drawn")
    with quiet():
        import keras

        keras.utils.set_random_seed(1)
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((SIDE, SIDE, 3), name="picture"),
                layers.Rescaling(1 / 255),
                layers.Flatten(),
                layers.Dense(8, activation="relu"),
                layers.Dense(1, activation=request.param, name="p"),
            ]
        )
        model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=request.param is None))
        model.fit(drawn, classes, epochs=40, verbose=0)
        model.save(folder / "forms.keras")
    lambent("data", "add", "forms", "drawn", cwd=folder)
    return folder


def lambent(*arguments: str | Path, cwd: Path) -> str:
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_binary_classifier_goes_through_every_step_and_answers_both_labels(desk: Path) -> None:
    told = lambent("contract", "init", "forms.keras", "--labels", ",".join(LABELS), cwd=desk)
    lambent("import", "forms.keras", "--contract", "contract.json", "--out", "mine", cwd=desk)
    lambent("quantize", "mine", "--data", "forms", "--variant", "float16", cwd=desk)
    lambent("evaluate", "mine", "--data", "forms", cwd=desk)
    artifact = Artifact.read(desk / "mine")

    assert "disc gets" in told
    assert "prepares pixels of 0 to 255" in told
    assert artifact.report is not None
    assert artifact.report.classification is not None
    assert artifact.report.classification.accuracy.value > 0.9
    assert artifact.report.classification.note is None
    assert open_gate(check_artifact(artifact), is_forced=False) == ()
    check_answers(artifact, desk)


def check_answers(artifact: Artifact, desk: Path) -> None:
    """Publish an artifact and check that its live version tells both labels of unseen pictures, and scores of both."""
    model = live_model(artifact)
    with contextlib.chdir(desk):
        unseen = find_data("forms").items("test")
    prepared = [model.preprocessor.prepare(item) for item in unseen.items]
    answers = predict_items(model, prepared, Timings(), top_k=2)

    right = [each.label == LABELS[target] for each, target in zip(answers, unseen.targets, strict=True)]
    assert np.mean(right) > 0.9
    assert {each.label for each in answers} == set(LABELS)
    assert all(sum(score.score for score in each.top) == pytest.approx(1, abs=2e-6) for each in answers)
