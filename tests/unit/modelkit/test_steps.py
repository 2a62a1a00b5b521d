"""Steps out of order, failing processes and TensorFlow's chatter are told in a way that helps."""

import errno
import os
from pathlib import Path

import pytest

from lambent_toolkit.modelkit import serving_check, serving_process
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import FolderNotWritable, ServingCheckFailed, StepMissing
from lambent_toolkit.modelkit.recipes import digits
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.workbench import Workbench
from patience import PATIENCE_S


@pytest.mark.parametrize("step", ["quantize", "evaluate"])
def test_step_before_training_says_what_to_run_first(tmp_path: Path, step: str) -> None:
    with pytest.raises(StepMissing, match="run `lambent train` first"):
        getattr(Workbench(tmp_path), step)()


@pytest.mark.parametrize("step", ["quantize", "evaluate"])
def test_a_training_of_another_release_is_to_be_done_again(tmp_path: Path, step: str) -> None:
    (tmp_path / "training.json").write_text('{"recipe": "digits"}')

    with pytest.raises(StepMissing, match=r"none of this release .* run `lambent train` again"):
        getattr(Workbench(tmp_path), step)()


def test_artifact_without_evaluation_is_not_published(tmp_path: Path) -> None:
    for name in ("model.keras", "model.tflite", "contract.json"):
        (tmp_path / name).write_bytes(b"{}")

    with pytest.raises(StepMissing, match="run `lambent evaluate` first"):
        Artifact.read(tmp_path)


@pytest.mark.parametrize("name", ["model.tflite", "card.md"])
def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path, name: str) -> None:
    for file in ("model.keras", "model.tflite", "contract.json", "golden.npz", "golden.keras.npz", "report.json"):
        (tmp_path / file).write_bytes(b"{}")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()

    with pytest.raises(StepMissing, match=rf"{name} in .* cannot be read \(Is a directory\)"):
        Artifact.read(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").touch()

    with pytest.raises(StepMissing, match=r"model.tflite in .*model cannot be read \(Not a directory\)"):
        Artifact.read(tmp_path / "model")


def test_serving_process_gets_nothing_of_the_callers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", "elsewhere")

    environment = serving_process.serving_environment([Path("one"), Path("two")])

    assert environment["PYTHONPATH"] == f"one{os.pathsep}two"
    assert not set(environment) & {"PYTHONHOME", "VIRTUAL_ENV", "HOME"}


def test_layers_that_an_image_has_installed_are_taken_without_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(serving_process.LAYERS_VARIABLE, "/opt/serving/python:/app")

    assert serving_process.serving_layers.__wrapped__() == (Path("/opt/serving/python"), Path("/app"))


def test_serving_process_that_cannot_start_is_reported_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(ServingCheckFailed, match="No module named 'numpy'"):
        serving_check.serve(b"", digits.CONTRACT, [b""], python_path=[tmp_path])


@pytest.mark.parametrize(
    ("program", "timeout_s", "said"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            PATIENCE_S,
            "ended with signal SIGSEGV: it wrote nothing",
        ),
        ("raise SystemExit('no such layer')", PATIENCE_S, "ended with status 1: no such layer"),
        (
            "open('/tmp/lambent-serving-x1/tensors/0.npy')",
            PATIENCE_S,
            r"status 1: FileNotFoundError: \[Errno 2\] No such file or directory: '0\.npy'$",
        ),
        ("import signal; signal.pause()", 1, "gave no answer in 1 s"),
    ],
)
def test_a_serving_process_that_dies_or_hangs_is_reported_with_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, timeout_s: float, said: str
) -> None:
    (tmp_path / "program.py").write_text(program)
    monkeypatch.setattr(serving_process, "PROGRAM", tmp_path / "program.py")

    with pytest.raises(ServingCheckFailed, match=said):
        serving_process.run_program([], python_path=[tmp_path], timeout_s=timeout_s)


def test_chatter_of_a_successful_block_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"I0000 oneDNN custom operations are on\n")

    assert capfd.readouterr().err == ""


def test_chatter_of_a_failing_block_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        _chatter_and_fail()

    assert "E0000 the reason" in capfd.readouterr().err


def _chatter_and_fail() -> None:
    with quiet():
        os.write(2, b"E0000 the reason\n")
        raise ZeroDivisionError


def test_a_full_disk_under_the_serving_bench_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _body: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with serving_check.ServingBench(digits.CONTRACT, python_path=[]) as bench:
        monkeypatch.setattr(Path, "write_bytes", full)

        with pytest.raises(FolderNotWritable, match="No space left on device"):
            bench.put("int8", b"")
        with pytest.raises(FolderNotWritable, match="No space left on device"):
            bench.prepare([b""])
