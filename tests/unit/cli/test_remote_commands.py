"""`--remote` and `lambent runs`: how it looks, what Ctrl-C says, and failures with an exit code of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lambent_toolkit.cli import remote
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.errors import RunUnknown
from lambent_toolkit.remote.following import Listener
from lambent_toolkit.remote.records import RunRecord
from lambent_toolkit.remote.runs import RunState

RUN = RunRecord(
    run_id="20261127-101500-3f9a2c",
    task="train",
    what="digits",
    bundle_sha256="00",
    created_at="2026-11-27T10:15:00.000Z",
    by="ada",
    out="/models/[b]digits",
)


class FakeRuns:
    """Runs of which one exists."""

    def train(self, _recipe: Any, _out: Path) -> RunRecord:
        return RUN

    def list(self) -> list[RunState]:
        return [RunState(RUN, "RUNNING: running")]

    def cancel(self, run_id: str) -> RunRecord:
        if run_id != RUN.run_id:
            raise RunUnknown("no such run")
        return RUN

    def finish(self, _run_id: str, listener: Listener, **_out: Path | None) -> tuple[RunRecord, Path]:
        listener.state("RUNNING: running")
        listener.line("epoch 1 \x1b[2J[b]loud[/b]")
        raise KeyboardInterrupt


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote, "open_runs", lambda _state, _tenant: FakeRuns())
    for command in ("train", "evaluate"):
        monkeypatch.setattr(f"lambent_toolkit.cli.{command}.open_runs", lambda _state, _tenant: FakeRuns())

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


def test_ctrl_c_leaves_the_job_alone_and_says_how_to_come_back_and_how_to_end_it(call) -> None:
    done = call("train", "digits", "--remote")

    assert done.exit_code == 130
    assert f"run {RUN.run_id} goes on. Come back: lambent runs attach {RUN.run_id}." in done.stderr
    assert f"End it: lambent runs cancel {RUN.run_id}" in done.stderr


def test_log_of_strangers_cannot_steer_the_terminal(call) -> None:
    told = call("runs", "attach", RUN.run_id).stdout

    assert r"  epoch 1 \x1b[2J[b]loud[/b]" in told
    assert "\x1b" not in told


def test_detached_run_says_how_to_come_back(call) -> None:
    done = call("train", "digits", "--remote", "--detach")

    assert (done.exit_code, done.stdout) == (
        0,
        f"Run {RUN.run_id} is submitted. Come back: lambent runs attach {RUN.run_id}\n",
    )


def test_runs_are_listed_and_cancelled_by_their_id(call) -> None:
    listed, ended, unknown = call("runs", "list"), call("runs", "cancel", RUN.run_id), call("runs", "cancel", "x")

    assert listed.stdout.splitlines()[1].split()[:4] == [RUN.run_id, "train", "digits", "ada"]
    assert f"Run {RUN.run_id} (train digits) is asked to end." in ended.stdout
    assert (unknown.exit_code, unknown.stderr) == (112, "✗ no such run\n")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["train", "nothing", "--remote"], 11, "There is no recipe 'nothing'"),
        (["train", "digits", "--remote", "--set", "colour=red"], 72, "digits has no setting 'colour'"),
        (["train", "digits", "--remote", "--state", "nowhere"], 8, "no local stack runs in nowhere"),
        (["runs", "list", "--state", "nowhere"], 8, "no local stack runs in nowhere"),
    ],
)
def test_failures_before_a_run_have_their_message_and_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], exit_code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, arguments)

    assert done.exit_code == exit_code
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from lambent_toolkit.cli import remote; "
        "print([name for name in ('tensorflow', 'numpy', 'boto3', 'msgspec', 'lambent.errors') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
