"""`lambent train --remote` and `evaluate --remote` on the local stack: the job is the worker's real program."""

from __future__ import annotations

import os
import re
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import httpx
import msgspec
import numpy as np
import pytest
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner, Result

from lambent.domain.model import digest
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import RunCancelled
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.recipes import find_recipe
from lambent_toolkit.modelkit.report import decode_report
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.training_record import TrainingRecord, read_training_record
from lambent_toolkit.modelkit.workbench import Workbench
from lambent_toolkit.remote.lane import Lane
from lambent_toolkit.remote.records import RunKeys
from lambent_toolkit.remote.runs import Runs
from lambent_toolkit.sandbox import LocalStack
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD
from patience import PATIENCE_S, wait_for

pytestmark = [FOREIGN_WARNINGS]
TENANT = "default"
EPOCHS = 5
# Wines whose training waits before an epoch, counted from 0, for as long as there is a file of this number; SIGTERM is
# heeded meanwhile, and ends the waiting. Batches of an epoch tell where a resumed training is.
GATED = """
    import signal
    from pathlib import Path
    from threading import Event

    from lambent_toolkit.modelkit.recipes import wine
    from lambent_toolkit.modelkit.recipes.wine import Settings, contract, data

    GATES, BATCHES = Path({gates!r}), 7


    def model(contract, settings):
        network = wine.model(contract, settings)
        if GATES.exists():
            gate(network)
        return network


    def gate(network):
        reset, evaluate, told = network.reset_metrics, network.evaluate, signal.getsignal(signal.SIGTERM)
        asked, validating = [], []

        def ask(*which):
            asked.append(which)
            told(*which)

        def wait_and_reset():
            closed = GATES / str(int(network.optimizer.iterations) // BATCHES)
            while closed.exists() and not asked and not validating:
                Event().wait(0.02)
            reset()

        def validate(*arguments, **more):
            validating.append(1)
            try:
                return evaluate(*arguments, **more)
            finally:
                validating.pop()

        signal.signal(signal.SIGTERM, ask)
        network.reset_metrics, network.evaluate = wait_and_reset, validate
"""
BROKEN = """
    from lambent_toolkit.modelkit.recipes.wine import data, model

    def contract(train, settings):
        raise ValueError("no such column: 'acid'")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Unheard:
    """Listener of nothing."""

    def state(self, told: str) -> None: ...

    def line(self, text: str) -> None: ...


def recipe_file(text: str) -> Path:
    path = Path("mine.py").resolve()
    path.write_text(dedent(text))
    return path


def call(stack: LocalStack, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--state", str(Path(stack.info.logs).parent)])


def job_id(stack: LocalStack, run_id: str) -> str:
    """Return AWS Batch's id of a run's job."""
    found = Lane.of(stack.info).find(RunKeys(TENANT, run_id).job_name)
    assert found is not None
    return found


def attempts(stack: LocalStack, run_id: str) -> list[int | None]:
    """Return the exit codes of a run's attempts; None where the host was lost."""
    batch_job_id = job_id(stack, run_id)
    job = Lane.of(stack.info).describe([batch_job_id])[batch_job_id]
    return [each["container"].get("exitCode") for each in job["attempts"]]


def processes(run_id: str) -> list[int]:
    """Return the processes of a run's program."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and run_id.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def kept(stack: LocalStack, run_id: str) -> list[str]:
    """Return the checkpoints that a run has in S3."""
    prefix = RunKeys(TENANT, run_id).state + "checkpoints/"
    listed = stack.client("s3").list_objects_v2(Bucket=stack.info.buckets["data"], Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", [])]


def begun(stack: LocalStack, run_id: str) -> list[str]:
    """Return those of them that are in the midst of an epoch."""
    return [key for key in kept(stack, run_id) if key.endswith("-begun.npz")]


def figures(record: TrainingRecord) -> list[tuple[int, dict[str, float], dict[str, float]]]:
    return [(each.epoch, each.train, each.validation) for each in record.curve]


def test_training_that_loses_its_host_and_is_killed_on_the_way_gives_the_weights_of_a_local_one(
    stack: LocalStack, here: Path
) -> None:
    gates = here / "gates"
    gates.mkdir()
    before_second, before_third = gates / "1", gates / "2"
    for gate in (before_second, before_third):
        gate.touch()
    recipe = find_recipe(str(recipe_file(GATED.format(gates=str(gates))))).having(epochs=EPOCHS, patience_epochs=EPOCHS)
    runs = Runs.of(stack.info, tenant=TENANT)
    run = runs.train(recipe, here / "remote")
    wait_for(lambda: kept(stack, run.run_id), what="the first checkpoint")

    # SIGTERM, which is heeded after the second epoch's first batch.
    httpx.post(
        f"{stack.info.endpoint}/_lambent/lose-host/{job_id(stack, run.run_id)}",
        headers={SECRET_FIELD: stack.info.secret},
        timeout=PATIENCE_S,
    ).raise_for_status()
    wait_for(lambda: begun(stack, run.run_id), what="the checkpoint in the midst of an epoch")
    before_second.unlink()
    wait_for(lambda: not begun(stack, run.run_id), what="the next epoch's checkpoint")
    for pid in processes(run.run_id):
        os.kill(pid, signal.SIGKILL)
    before_third.unlink()
    gates.rmdir()
    runs.finish(run.run_id, Unheard())

    Workbench(here / "local").train(recipe)
    remote, local = (read_training_record(here / place) for place in ("remote", "local"))
    assert attempts(stack, run.run_id) == [None, 137, 0]
    assert remote.resumed_after == 2
    assert figures(remote) == figures(local)
    weights = [
        from_keras_file((here / place / "model.keras").read_bytes()).get_weights() for place in ("remote", "local")
    ]
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))
    # All else that makes two trainings the same is recorded as here, so that later steps run on either folder.
    assert (remote.recipe, remote.settings, remote.data) == (local.recipe, local.settings, local.data)
    assert sorted(path.name for path in (here / "remote").iterdir()) == sorted(
        path.name for path in (here / "local").iterdir()
    )
    assert len(list((here / "remote/logs/train").iterdir())) == 3  # one file of events an attempt
    assert kept(stack, run.run_id) == []


def test_recipe_that_raises_in_its_job_ends_the_command_as_it_would_here(stack: LocalStack, here: Path) -> None:
    recipe_file(BROKEN)

    done = call(stack, "train", "mine.py", "--remote", "--out", "out")

    told = "mine.py, line 5, in contract(): ValueError: no such column: 'acid'"
    assert (done.exit_code, done.stderr) == (70, f"✗ {told}\n")
    assert f"  ✗ {told}" in done.stdout
    assert "Traceback" not in done.output
    assert attempts(stack, done.stdout.split()[1].rstrip(";")) == [65]
    assert not (here / "out").exists()


def test_cancelled_run_ends_and_says_by_whom(stack: LocalStack, here: Path) -> None:
    runs = Runs.of(stack.info, tenant=TENANT)
    run = runs.train(find_recipe("digits").having(epochs=1000), here / "out")
    (submitted,) = stack.client("batch").describe_jobs(jobs=[job_id(stack, run.run_id)])["jobs"]

    done = call(stack, "runs", "cancel", run.run_id)

    assert done.exit_code == 0, done.output
    assert submitted["tags"] == {"lambent:stack": stack.info.name}
    with pytest.raises(RunCancelled, match="Cancelled by `lambent runs cancel` of"):
        runs.finish(run.run_id, Unheard())
    assert run.run_id in call(stack, "runs", "list").stdout


def test_evaluation_runs_where_lambda_s_packages_are_and_leaves_its_report_here(
    stack: LocalStack, here: Path, trained_folder: Path
) -> None:
    shutil.copytree(trained_folder, here / "model")

    done = call(stack, "evaluate", "model", "--remote")

    assert done.exit_code == 0, done.output
    artifact = Artifact.read(here / "model")
    assert artifact.report is not None
    assert artifact.report.model_sha256 == digest((here / "model/model.tflite").read_bytes())
    assert artifact.report.data.sha256 == read_training_record(here / "model").data.sha256
    assert artifact.report.variants["int8"].runtime.startswith("ai-edge-litert")
    assert re.search(r"^  evaluate (\d)/\1  ", done.stdout, re.MULTILINE)
    assert "Next: lambent publish model" in done.stdout

    # As a published version, without the float model, which would start TensorFlow once more.
    files = {name: body for name, body in artifact.files.items() if ".keras" not in name}
    contract = msgspec.structs.replace(artifact.contract, name="far-away")
    ref = Publisher(stack.info).publish_files(files, contract).ref
    again = call(stack, "evaluate", str(ref), "--remote", "--out", "anew")

    assert again.exit_code == 0, again.output
    report = decode_report((here / "anew/report.json").read_bytes(), of="anew")
    assert sorted(path.name for path in (here / "anew").iterdir()) == ["report.html", "report.json"]
    assert (report.source.kind, report.source.name) == ("version", "far-away@1")
    assert report.model_sha256 == artifact.report.model_sha256
    assert report.variants["int8"].accuracy == artifact.report.variants["int8"].accuracy
    assert "Next: lambent publish" not in again.stdout
