"""The program of a job: its exit code tells AWS Batch whether to try again, its outcome tells the person why."""

from __future__ import annotations

import importlib.metadata
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_lane import FakeRunStore

from lambent.errors import Unavailable
from lambent_toolkit.modelkit.errors import SourceUnavailable
from lambent_toolkit.modelkit.recipes import RECIPES, find_recipe
from lambent_toolkit.remote import keeper
from lambent_toolkit.remote.bundle import Contents, Order
from lambent_toolkit.remote.contents import training_order
from lambent_toolkit.remote.job import EXIT_AGAIN, EXIT_DONE, EXIT_FAILED, EXIT_FAULT, Job, main
from lambent_toolkit.remote.records import Outcome, ResultFile, RunKeys, decode, encode
from lambent_toolkit.remote.tools import tools
from programs import ROOT, load_file

KEYS = RunKeys("default", "20261127-101500-3f9a2c")
# Sound where it is sent from, and broken where it runs: only there it is asked for a contract.
BROKEN = """
from lambent_toolkit.modelkit.recipes.wine import data, model

def contract(train, settings):
    raise ValueError("no such column: 'acid'")
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # the program changes it


@pytest.fixture
def send(tmp_path: Path):
    """Store a bundle, and return the job that runs it."""

    def send(order: Order, contents: Contents | None = None, *, body: bytes | None = None) -> Job:
        sha256 = (contents or Contents()).write(tmp_path / "bundle.zip", order)
        store = FakeRunStore()
        store.objects[KEYS.bundle(sha256)] = body or (tmp_path / "bundle.zip").read_bytes()
        return Job(store, KEYS, sha256, tmp_path / "job")

    return send


def outcome(job: Job) -> Outcome | None:
    body = job.store.objects.get(KEYS.outcome)  # type: ignore[attr-defined]
    return body and decode(body, Outcome, where="outcome.json")


def of_wine(**more: Any) -> Order:
    return training_order(RECIPES["wine"].having(epochs=1, **more), Contents())


def test_recipe_that_raises_is_not_tried_again_and_its_message_is_told(
    send, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.py").write_text(BROKEN)
    contents = Contents()
    job = send(training_order(find_recipe("mine.py"), contents), contents)

    code = job.run()

    told = "mine.py, line 5, in contract(): ValueError: no such column: 'acid'"
    assert code == EXIT_FAILED
    assert outcome(job) == Outcome(exit_code=70, message=told)
    log = capsys.readouterr().out
    assert f"✗ {told}" in log
    assert "Traceback" not in log


def test_job_without_the_gpu_it_was_promised_ends_before_its_recipe_and_is_not_tried_again(
    send, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lambent.adapters.keras_backends", SimpleNamespace(has_gpu=lambda: False))
    job = replace(send(of_wine()), needs_gpu=True)

    code = job.run()

    found = outcome(job)
    assert code == EXIT_FAILED
    assert found is not None
    assert (found.exit_code, found.files) == (20, {})
    assert (
        "No GPU visible to tensorflow in this container, and the job was promised one. Build the image" in found.message
    )
    assert "✗ No GPU visible" in capsys.readouterr().out


def test_image_with_other_packages_is_told_before_anything_runs(send) -> None:
    job = send(replace_tools(of_wine(), keras="2.0.0"))

    assert job.run() == EXIT_FAILED

    found = outcome(job)
    assert found is not None
    assert found.exit_code == 117
    assert f"The worker's image has keras {tools()['keras']}, not 2.0.0: build it" in found.message


def test_image_without_tensorflow_says_so_and_imports_nothing_of_it(send, monkeypatch: pytest.MonkeyPatch) -> None:
    job = send(of_wine())
    found_here = importlib.metadata.version

    def version(package: str) -> str:
        if package == "tensorflow":
            raise importlib.metadata.PackageNotFoundError(package)
        return found_here(package)

    monkeypatch.setattr("lambent_toolkit.remote.tools.version", version)

    assert job.run() == EXIT_FAILED

    found = outcome(job)
    assert found is not None
    assert f"has tensorflow none, not {found_here('tensorflow')}: build it" in found.message


def replace_tools(order: Order, **others: str) -> Order:
    return Order(task=order.task, recipe=order.recipe, tools=order.tools | others)


def test_bundle_that_is_not_the_one_that_was_sent_is_refused(send) -> None:
    job = send(of_wine(), body=b"exchanged")

    assert job.run() == EXIT_FAILED

    found = outcome(job)
    assert found is not None
    assert (found.exit_code, "The bundle has the sha256" in found.message) == (119, True)


def test_settings_of_another_release_are_told(send) -> None:
    order = of_wine()
    assert order.recipe is not None
    order.recipe.settings["colour"] = "red"
    job = send(order)

    assert job.run() == EXIT_FAILED

    found = outcome(job)
    assert found is not None
    assert "The bundle's settings are not those of wine" in found.message


def test_order_without_a_recipe_trains_nothing(send) -> None:
    job = send(Order(task="train", tools={}))

    assert job.run() == EXIT_FAILED

    found = outcome(job)
    assert found is not None
    assert found.message == "The bundle's order names no recipe."


def test_attempt_after_the_one_that_left_the_result_does_nothing(send) -> None:
    job = send(of_wine())
    job.store.objects[KEYS.outcome] = encode(Outcome(exit_code=0, files={"a": ResultFile("0", 1)}))
    before = dict(job.store.objects)

    assert job.run() == EXIT_DONE

    assert job.store.objects == before


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), Unavailable("The data store did not answer."), SourceUnavailable("S3 did not answer")],
)
def test_what_may_pass_is_tried_again_and_leaves_no_outcome(
    send, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    job = send(of_wine())

    def failing(_job: Job, _order: Order) -> Any:
        raise error

    monkeypatch.setattr(Job, "_step", failing)

    assert job.run() == EXIT_AGAIN
    assert outcome(job) is None


def test_fault_of_the_program_is_told_with_its_traceback_in_the_log_and_not_tried_again(
    send, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = send(of_wine())
    monkeypatch.setattr(Job, "_step", lambda _job, _order: {}["nothing"])

    assert job.run() == EXIT_FAULT

    assert outcome(job) == Outcome(exit_code=1, message="A fault of the job itself, KeyError: 'nothing'")
    assert "Traceback" in capsys.readouterr().err


def test_result_is_whole_before_the_outcome_says_so(send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    job = send(of_wine())
    (tmp_path / "model.keras").write_bytes(b"network")
    monkeypatch.setattr(Job, "_step", lambda _job, _order: {"model.keras": tmp_path / "model.keras"})
    written: list[str] = []
    job.store.objects[f"{KEYS.state}checkpoints/epoch-00001.npz"] = b"no longer needed"  # type: ignore[attr-defined]
    changes = {"write", "delete"}
    job.store.before_call = lambda call, key: written.append(key) if call in changes else None  # type: ignore[attr-defined]

    assert job.run() == EXIT_DONE

    assert written == [f"{KEYS.results}model.keras", KEYS.outcome, f"{KEYS.state}checkpoints/epoch-00001.npz"]
    found = outcome(job)
    assert found is not None
    assert found.files["model.keras"].size_bytes == 7


def test_command_names_the_run_and_the_signal_of_a_stopped_job_stops_it_softly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Job] = []

    def run(job: Job) -> int:
        seen.append(replace(job))
        signal.raise_signal(signal.SIGTERM)
        return EXIT_DONE

    monkeypatch.setattr(Job, "run", run)
    monkeypatch.setattr("lambent.adapters.clients.client", lambda _service: None)
    monkeypatch.setenv("TENANT_ROLE_ARN", "arn:role")
    monkeypatch.setenv("DATA_BUCKET", "data")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("WORKER_NEEDS_GPU", "true")
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            main(["train", "--tenant", "default", "--run", KEYS.run_id, "--bundle", "00"])
    finally:
        signal.signal(signal.SIGTERM, before)

    assert (seen[0].keys, seen[0].bundle_sha256, seen[0].needs_gpu) == (KEYS, "00", True)
    assert not seen[0].folder.exists()


def test_worker_image_s_entry_point_becomes_this_program(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = load_file(ROOT / "functions/batch_worker/main.py")
    became: list[list[str]] = []

    def become(_program: str, arguments: list[str]) -> None:
        became.append(arguments[1:])
        raise SystemExit

    monkeypatch.setattr("os.execv", become)
    monkeypatch.setattr("sys.argv", ["main.py", "train", "--tenant", "default"])

    with pytest.raises(SystemExit):
        worker.main()

    assert became == [["-m", keeper.__name__, "train", "--tenant", "default"]]
