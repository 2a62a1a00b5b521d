"""From a trained folder to a label, by the commands that a person types."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner, Result

from fixtures.crashing.make_crashing import dies_when_loaded
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.report import decode_report
from lambent_toolkit.modelkit.watcher import Silence
from lambent_toolkit.sandbox import LocalStack

pytestmark = [FOREIGN_WARNINGS]


def lambent(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _accuracy(result: Result) -> str:
    found = re.search(r"^accuracy +(\S+ %)", result.output, re.MULTILINE)
    assert found is not None, result.output
    return found[1]


def test_evaluated_folder_is_published_and_labelled(stack: LocalStack, tmp_path: Path, trained_folder: Path) -> None:
    state = Path(stack.info.logs).parent
    folder = tmp_path / "trial"
    shutil.copytree(trained_folder, folder)

    evaluated = lambent("evaluate", folder)
    # A name of its own: other tests on this stack count the versions of digits.
    contract = folder / "contract.json"
    contract.write_text(contract.read_text().replace('"digits"', '"trial-digits"'))
    published = lambent("publish", folder, "--state", state)
    version = re.search(r"published trial-digits@(\d+)", published.output)
    assert version is not None, published.output
    labelled = lambent("label", "set", "trial-digits", "trial", version[1], "--state", state)
    listed = lambent("models", "--state", state)
    shown = lambent("show", f"trial-digits@{version[1]}", "--state", state)
    anew = lambent("evaluate", "trial-digits@trial", "--state", state, "--out", tmp_path / "anew")
    compared = lambent(
        "compare", f"trial-digits@{version[1]}", folder, "--state", state, "--out", tmp_path / "compared"
    )

    assert "held-out items" in evaluated.output
    assert "macro F1" in shown.output
    assert _accuracy(anew) == _accuracy(evaluated)
    again = decode_report((tmp_path / "anew" / "report.json").read_bytes(), of="anew")
    assert (again.source.kind, again.source.name) == ("version", f"trial-digits@{version[1]}")
    assert sorted(path.name for path in (tmp_path / "anew").iterdir()) == ["report.html", "report.json"]
    assert "No difference: both get the same items right; 0 of 360 items" in compared.output
    assert (tmp_path / "compared" / "compare.html").exists()
    assert f"trial-digits: trial → version {version[1]} (revision 1)" in labelled.output
    assert re.search(rf"^trial-digits +{version[1]} +trial", listed.output, re.MULTILINE)


def cut(model: bytes) -> bytes:
    return model[: len(model) // 2]


# The interpreter would not survive most files that merely end too early, either: what it reads lies behind the end.
@pytest.mark.parametrize(
    ("damage", "got"),
    [
        (dies_when_loaded, "The serving interpreter ended with signal SIGSEGV"),
        (cut, "The model file is damaged or was made to do harm: an offset leads out of the file"),
    ],
)
def test_a_file_that_crashes_the_serving_interpreter_is_not_published_not_even_by_force_and_the_crash_is_told(
    stack: LocalStack, tmp_path: Path, damage: Callable[[bytes], bytes], got: str
) -> None:
    artifact = build_demo_model(default_cache_dir())
    declared = msgspec.structs.replace(artifact.contract, name="crashing-gate")
    broken = {
        "model.tflite": damage(artifact.files["model.tflite"]),
        "contract.json": msgspec.json.encode(declared),
    }
    for name, body in {**artifact.files, **broken}.items():
        (tmp_path / name).write_bytes(body)

    refused = lambent("publish", tmp_path, "--state", Path(stack.info.logs).parent)
    forced = lambent("publish", tmp_path, "--state", Path(stack.info.logs).parent, "--force", "--why", "just do it")

    crash = f"serving: expected a file .* got {got}"
    for result in (refused, forced):
        assert result.exit_code == 31
        assert re.search(crash, result.stderr), result.stderr
    assert (
        stack.client("s3").list_objects_v2(Bucket=stack.info.buckets["models"], Prefix="crashing-gate")["KeyCount"] == 0
    )


def test_label_of_an_unpublished_version_is_refused(stack: LocalStack) -> None:
    result = lambent("label", "set", "digits", "trial", "999999", "--state", Path(stack.info.logs).parent)

    assert result.exit_code == 20
    assert "model_not_found" in result.stderr


def test_demo_model_is_made_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    steps: list[str] = []

    class Listener(Silence):
        def begin(self, what: str, *, total: int) -> None:  # noqa: ARG002 - as the protocol has it
            steps.append(what)

    made = build_demo_model(tmp_path, Listener())
    assert "train digits" in steps
    steps.clear()
    taken = build_demo_model(tmp_path, Listener())

    assert steps == []
    assert taken.files == made.files
    assert made.report.variants["int8"].accuracy > 0.95
