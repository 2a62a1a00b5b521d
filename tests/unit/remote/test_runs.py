"""Runs: found again whatever was killed in between, refused before anything is sent, brought back whole or not."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from scripted_lane import JOB, FakeRunStore, Heard, ScriptedBatch, attempt, job, lane

from lambent.errors import NameInvalid, Unavailable
from lambent_toolkit.fakes import FakeClock
from lambent_toolkit.modelkit.errors import (
    BundleTooLarge,
    DataChanged,
    FolderOccupied,
    LaneMissing,
    RecipeFailed,
    ResultDamaged,
    RunCancelled,
    RunFailed,
    RunNotStarted,
    RunUnknown,
    RunUnreadable,
    StepFailedRemotely,
)
from lambent_toolkit.modelkit.recipes import RECIPES, find_recipe
from lambent_toolkit.remote.bundle import Contents
from lambent_toolkit.remote.lane import Lane
from lambent_toolkit.remote.records import Outcome, ResultFile, RunKeys, encode
from lambent_toolkit.remote.runs import Runs
from lambent_toolkit.sandbox.stack_info import StackInfo

WINE = RECIPES["wine"].having(epochs=1)
FILES = {"model.keras": b"network", "training.json": b"{}", "logs/train/events": b"curve"}


class World:
    """A bucket and a lane; the job of a run leaves ``files`` unless told otherwise."""

    def __init__(self) -> None:
        self.store = FakeRunStore()
        self.batch = ScriptedBatch([job("RUNNING"), job("SUCCEEDED", attempt(0))])
        self.runs = Runs(self.store, lane(self.batch), tenant="default", clock=FakeClock())

    def leave(self, run_id: str, files: dict[str, bytes], *, told: dict[str, bytes] | None = None) -> None:
        keys = RunKeys("default", run_id)
        for name, body in files.items():
            self.store.objects[keys.results + name] = body
        listed = {name: ResultFile(sha256(body).hexdigest(), len(body)) for name, body in (told or files).items()}
        self.store.objects[keys.outcome] = encode(Outcome(exit_code=0, files=listed))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setattr("lambent_toolkit.remote.following.LOOK_EVERY_S", 0)
    monkeypatch.chdir(tmp_path)
    return World()


def test_artifact_comes_back_as_the_job_wrote_it(world: World, tmp_path: Path) -> None:
    run = world.runs.train(WINE, tmp_path / "models/wine")
    world.leave(run.run_id, FILES)
    heard = Heard()

    record, folder = world.runs.finish(run.run_id, heard)

    assert (record, folder) == (run, tmp_path / "models/wine")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["wine"]


def test_job_is_told_the_run_and_the_digest_of_its_bundle(world: World, tmp_path: Path) -> None:
    run = world.runs.train(WINE, tmp_path / "out")

    (submitted,) = world.batch.submitted
    bundle = world.store.objects[RunKeys("default", run.run_id).bundle(run.bundle_sha256)]
    assert sha256(bundle).hexdigest() == run.bundle_sha256
    assert submitted["parameters"] == {
        "task": "train",
        "tenant": "default",
        "run": run.run_id,
        "bundle": run.bundle_sha256,
    }
    assert {key.split("/")[:3] == ["training", "default", run.run_id] for key in world.store.objects} == {True}


def test_folder_that_is_not_empty_is_refused_before_anything_is_sent_and_before_it_is_waited_for(
    world: World, tmp_path: Path
) -> None:
    run = world.runs.train(WINE, tmp_path / "out")
    before = dict(world.store.objects)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")

    for out in ("out", "file"):
        with pytest.raises(FolderOccupied, match=f"{out} is not empty, and a job's artifact takes a folder of its own"):
            world.runs.train(WINE, tmp_path / out)
    with pytest.raises(FolderOccupied):
        world.runs.finish(run.run_id, Heard())

    assert world.store.objects == before
    assert len(world.batch.looks) == 2
    assert (tmp_path / "out/notes.txt").read_text() == "mine"


def test_recipe_that_fails_here_sends_nothing(world: World, tmp_path: Path) -> None:
    Path("mine.py").write_text(
        "from lambent_toolkit.modelkit.recipes.wine import contract, model\ndata = lambda _s: 1/0"
    )

    with pytest.raises(RecipeFailed):
        world.runs.train(find_recipe("mine.py"), tmp_path / "out")

    assert world.store.objects == {}


def test_more_than_a_bundle_may_hold_sends_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambent_toolkit.remote.runs.Contents", lambda: Contents(max_bytes=10))
    Path("mine.py").write_text("from lambent_toolkit.modelkit.recipes.wine import contract, data, model")

    with pytest.raises(BundleTooLarge, match="the most that are sent") as caught:
        world.runs.train(find_recipe("mine.py"), tmp_path / "out")

    assert caught.value.exit_code == 111
    assert world.store.objects == {}


def test_run_killed_before_its_job_s_id_was_kept_is_found_by_the_job_s_name(world: World, tmp_path: Path) -> None:
    def fail(operation: str, key: str) -> None:
        if operation == "write" and key.endswith("job.json"):
            raise Unavailable("The data store did not answer.")

    world.store.before_call = fail
    with pytest.raises(Unavailable):
        world.runs.train(WINE, tmp_path / "out")
    (state,) = world.runs.list()
    world.leave(state.record.run_id, FILES)
    del world.store.objects[RunKeys("default", state.record.run_id).outcome]
    world.batch.looks = [job("FAILED", attempt(139))]

    with pytest.raises(RunFailed, match="killed by signal 11"):
        world.runs.finish(state.record.run_id, Heard())


def test_run_killed_before_it_was_submitted_says_so(world: World, tmp_path: Path) -> None:
    def fail(_parameters: dict[str, str]) -> None:
        raise KeyboardInterrupt

    world.batch.on_submit = fail
    with pytest.raises(KeyboardInterrupt):
        world.runs.train(WINE, tmp_path / "out")
    world.batch.submitted.clear()

    (found,) = world.runs.list()

    assert found.state == "stored, and never submitted"
    with pytest.raises(RunNotStarted, match="its job was never submitted: give the same command again"):
        world.runs.finish(found.record.run_id, Heard())


def test_run_that_does_not_exist_and_one_of_another_tenant_are_unknown_alike(world: World, tmp_path: Path) -> None:
    run = world.runs.train(WINE, tmp_path / "out")
    other = Runs(world.store, lane(world.batch), tenant="other")

    for runs, run_id in ((world.runs, "20261127-101500-3f9a2c"), (other, run.run_id)):
        with pytest.raises(RunUnknown, match=f"has no run {run_id}, or it has expired: see `lambent runs list`"):
            runs.finish(run_id, Heard())
        with pytest.raises(RunUnknown):
            runs.cancel(run_id)
    assert other.list() == []
    assert world.batch.ended == []


@pytest.mark.parametrize("run_id", ["", "../../jobs", "20261127", "x" * 2000])
def test_id_that_cannot_be_one_is_told(world: World, run_id: str) -> None:
    with pytest.raises(RunUnknown, match="is no id of a run"):
        world.runs.record(run_id)


def test_tenant_that_cannot_be_one_is_refused(world: World) -> None:
    with pytest.raises(NameInvalid):
        Runs(world.store, lane(world.batch), tenant="../default").record("20261127-101500-3f9a2c")


def test_error_of_the_step_comes_back_with_its_own_exit_code(world: World, tmp_path: Path) -> None:
    run = world.runs.train(WINE, tmp_path / "out")
    failed = Outcome(exit_code=DataChanged.exit_code, message="The data has changed.")
    world.store.objects[RunKeys("default", run.run_id).outcome] = encode(failed)
    world.batch.looks = [job("FAILED", attempt(65))]

    with pytest.raises(StepFailedRemotely, match=r"The data has changed\.") as caught:
        world.runs.finish(run.run_id, Heard())

    assert caught.value.exit_code == 16
    assert not (tmp_path / "out").exists()


def test_cancelled_run_is_told_as_such(world: World, tmp_path: Path) -> None:
    run = world.runs.train(WINE, tmp_path / "out")
    world.runs.cancel(run.run_id)
    ((job_id, reason),) = world.batch.ended
    world.batch.looks = [job("FAILED", attempt(143), statusReason=reason, isTerminated=True)]

    with pytest.raises(RunCancelled, match=r"Cancelled by `lambent runs cancel` of \w+"):
        world.runs.finish(run.run_id, Heard())

    assert job_id == JOB


def exchanged(objects: dict[str, bytes], key: str) -> None:
    objects[key] = b"n3tw0rk"


def gone(objects: dict[str, bytes], key: str) -> None:
    del objects[key]


@pytest.mark.parametrize(("damage", "told"), [(exchanged, "came with the sha256"), (gone, "is not there any more")])
def test_damaged_result_is_told_and_nothing_is_kept(world: World, tmp_path: Path, damage, told: str) -> None:
    run = world.runs.train(WINE, tmp_path / "out")
    world.leave(run.run_id, FILES)
    damage(world.store.objects, RunKeys("default", run.run_id).results + "model.keras")

    with pytest.raises(ResultDamaged, match=told):
        world.runs.finish(run.run_id, Heard())

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", ""])
def test_result_that_would_lie_outside_of_its_folder_is_refused(world: World, tmp_path: Path, name: str) -> None:
    run = world.runs.train(WINE, tmp_path / "out")
    world.leave(run.run_id, {name: b"x"})

    with pytest.raises(ResultDamaged, match="lies outside of its folder"):
        world.runs.finish(run.run_id, Heard())

    assert list(tmp_path.iterdir()) == []


def test_job_that_succeeded_without_an_outcome_is_told(world: World, tmp_path: Path) -> None:
    run = world.runs.train(WINE, tmp_path / "out")

    with pytest.raises(ResultDamaged, match=r"succeeded, and its outcome\.json is gone"):
        world.runs.finish(run.run_id, Heard())


def test_report_of_an_evaluation_goes_into_the_model_s_folder_beside_what_is_there(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "import.json").write_text("{}")
    (folder / "model.tflite").write_text("network")
    (folder / "report.json").write_text("old")
    run = world.runs.evaluate(folder, data="wine")
    world.leave(run.run_id, {"report.json": b"new", "report.html": b"page"})

    record, where = world.runs.finish(run.run_id, Heard())

    assert (record.task, where) == ("evaluate", folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "import.json": "{}",
        "model.tflite": "network",
        "report.json": "new",
        "report.html": "page",
    }


def test_runs_are_listed_with_their_states_the_newest_first(world: World, tmp_path: Path) -> None:
    clock = FakeClock()
    runs = Runs(world.store, lane(world.batch), tenant="default", clock=clock)
    first = runs.train(WINE, tmp_path / "one")
    clock.advance(60)
    second = runs.train(RECIPES["digits"], tmp_path / "two")
    world.batch.looks = [job("RUNNING")]

    found = runs.list()

    assert [(each.record.run_id, each.record.what, each.state) for each in found] == [
        (second.run_id, "digits", "RUNNING: running"),
        (first.run_id, "wine", "RUNNING: running"),
    ]
    world.batch.looks = []
    assert {each.state for each in runs.list()} == {"ended, AWS Batch has forgotten how"}


def test_record_of_another_release_is_told(world: World, tmp_path: Path) -> None:
    run = world.runs.train(WINE, tmp_path / "out")
    world.store.objects[RunKeys("default", run.run_id).record] = b'{"schema_version": 2}'

    with pytest.raises(RunUnreadable, match=r"run\.json is none of this release"):
        world.runs.record(run.run_id)


def test_stack_without_a_gpu_lane_says_how_to_get_one() -> None:
    stack = StackInfo(
        **dict.fromkeys(["name", "url", "api_key", "api_key_id", "endpoint", "region", "table", "topic", "logs"], ""),
        **{key: {} for key in ("buckets", "queues", "functions", "resources")},
        retry_scale=1.0,
        pid=1,
    )

    with pytest.raises(LaneMissing, match=r"no GPU lane \(no BatchJobQueue\).*GpuEnabled=true WorkerImageUri="):
        Lane.of(stack)
