"""A model of one's own, from its file to a version that answers: every command, on data that it did not bring along."""

import contextlib
from pathlib import Path

import msgspec
import pytest
from live_models import live_model
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner

from lambent.services.predict import Timings, predict_items
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.data_source import find_data
from lambent_toolkit.modelkit.errors import GateClosed
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.recipes import digits

pytestmark = [FOREIGN_WARNINGS]


def lambent(*arguments: str | Path, cwd: Path, status: int = 0) -> str:
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, trained_folder: Path) -> Path:
    """Return a folder with a stranger's files: a Keras model, a .tflite file, and a contract for them."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "theirs.keras").write_bytes((trained_folder / "model.keras").read_bytes())
    (folder / "theirs.tflite").write_bytes((trained_folder / "model.tflite").read_bytes())
    declared = msgspec.structs.replace(digits.CONTRACT, name="theirs")
    (folder / "contract.json").write_bytes(msgspec.json.encode(declared))
    return folder


def test_a_keras_file_goes_through_every_step_and_answers(desk: Path) -> None:
    lambent("import", "theirs.keras", "--contract", "contract.json", "--out", "theirs", cwd=desk)
    needy = lambent("quantize", "theirs", cwd=desk, status=21)
    lambent("quantize", "theirs", "--data", "digits", "--variant", "float16", cwd=desk)
    lambent("sensitivity", "theirs", "--data", "digits", cwd=desk)
    lambent("evaluate", "theirs", "--data", "digits", cwd=desk)
    artifact = Artifact.read(desk / "theirs")

    assert "name some by --data" in needy
    assert artifact.report is not None
    assert artifact.report.source.kind == "import"
    assert artifact.report.reference == "keras"
    assert artifact.report.measured.accuracy == artifact.report.variants["keras"].accuracy
    assert open_gate(check_artifact(artifact), is_forced=False) == ()
    assert answers(artifact) >= 8


def answers(artifact: Artifact) -> int:
    """Publish an artifact, and return how many of ten unseen digits its live version reads rightly."""
    model = live_model(artifact)
    unseen = find_data("digits").items("test")
    told = predict_items(model, [model.preprocessor.prepare(item) for item in unseen.items[:10]], Timings(), top_k=1)
    return sum(answer.label == str(target) for answer, target in zip(told, unseen.targets[:10], strict=True))


def test_a_tflite_file_that_was_never_measured_is_published_by_force_only(desk: Path) -> None:
    lambent("import", "theirs.tflite", "--contract", "contract.json", "--out", "blind", cwd=desk)
    artifact = Artifact.read(desk / "blind")
    checks = check_artifact(artifact)

    assert artifact.report is None
    with pytest.raises(GateClosed, match="never evaluated"):
        open_gate(checks, is_forced=False)
    assert open_gate(checks, is_forced=True) == ("report", "quality", "sense")


def test_a_tflite_file_is_its_own_reference_once_it_is_measured(desk: Path) -> None:
    lambent("import", "theirs.tflite", "--contract", "contract.json", "--out", "lite", cwd=desk)
    refused = lambent("quantize", "lite", "--data", "digits", cwd=desk, status=45)
    layers = lambent("sensitivity", "lite", "--data", "digits", cwd=desk, status=60)
    lambent("evaluate", "lite", "--data", "digits", cwd=desk)
    artifact = Artifact.read(desk / "lite")

    assert "lambent evaluate" in refused
    assert "was not imported as .keras" in layers
    assert artifact.files.keys() == {"model.tflite", "golden.npz", "report.json", "card.md", "throughput.json"}
    assert open_gate(check_artifact(artifact), is_forced=False) == ()
    assert answers(artifact) >= 8


def test_data_whose_classes_the_model_does_not_know_is_refused(desk: Path) -> None:
    lambent("import", "theirs.tflite", "--contract", "contract.json", "--out", "other", cwd=desk)

    told = lambent("evaluate", "other", "--data", "wine", cwd=desk, status=22)

    assert "class_0" in told
