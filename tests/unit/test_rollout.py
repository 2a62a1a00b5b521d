"""Labels on the move: canary, promote, rollback, retirement, clearing up; and which version answers a request."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from threading import Barrier, Thread

import msgspec
import pytest
from scipy.stats import binom

from builders import TENANT, World, picture, request
from lambent.contracts.messages import TensorMessage
from lambent.domain.call import Call, Operation
from lambent.domain.model import LIVE, Canary, Change, ModelChoice, ModelRef, MoveAction
from lambent.domain.rollout import (
    body_key,
    bucket_of,
    check_request_key,
    gets_canary,
    moved,
    new_label,
    parse_weight,
    previous_version,
)
from lambent.errors import (
    AliasConflict,
    Conflict,
    LambentError,
    ModelNotFound,
    NameInvalid,
    RequestInvalid,
    Unavailable,
    VersionInUse,
    VersionRetired,
)
from lambent.services.answer_call import CallService
from lambent.services.collect_garbage import GarbageCollector
from lambent.services.describe import DescribeService
from lambent.services.ingest import IngestService, Upload
from lambent.services.move_label import LabelMover
from lambent.services.predict import PredictService, Timings
from lambent.services.retire import retire
from lambent.services.set_label import set_label
from lambent.services.submit_job import new_job

NAME = "shade"
NOW = Change("2026-11-24T00:00:00.000Z", "ann", "because")
DAY_S = 86_400


@pytest.fixture
def world() -> World:
    """Return three versions, of which the first is live."""
    world = World()
    for _ in range(3):
        world.publish()
    world.registry.label_records.clear()
    point(world, 1)
    return world


def point(world: World, version: int, **more: object) -> None:
    set_label(NAME, LIVE, version, registry=world.registry, clock=world.clock, **more)


def mover(world: World, **more: object) -> LabelMover:
    return LabelMover(NAME, LIVE, registry=world.registry, clock=world.clock, **more)


def live(world: World):
    return world.registry.label(NAME, LIVE)


def test_keys_meet_the_canary_as_often_as_its_weight_says() -> None:
    keys = [f"user-{number}" for number in range(20_000)]

    for percent in (1, 5, 20, 50):
        share = sum(gets_canary(NAME, LIVE, Canary(2, percent * 100), key) for key in keys)
        low, high = binom.interval(0.999, len(keys), percent / 100)
        assert low <= share <= high


def test_a_larger_weight_only_moves_keys_from_the_stable_version_to_the_canary() -> None:
    before: set[int] = set()

    for weight_bp in (1, 10, 100, 500, 2_000, 5_000, 9_999):
        after = {key for key in range(2_000) if gets_canary(NAME, LIVE, Canary(2, weight_bp), str(key))}
        assert before <= after
        before = after


def test_the_next_canary_meets_other_keys() -> None:
    first, second = (
        {key for key in range(5_000) if gets_canary(NAME, LIVE, Canary(version, 1_000), str(key))} for version in (2, 3)
    )

    assert len(first & second) < 0.5 * len(first)


def test_a_key_has_its_bucket_in_every_process_and_release() -> None:
    program = (
        "from lambent.domain.model import Canary; from lambent.domain.rollout import bucket_of, body_key;"
        "print(bucket_of('shade', 'live', Canary(2, 500), 'user-7'), body_key(b'a body'))"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert told == [str(bucket_of(NAME, LIVE, Canary(2, 500), "user-7")), body_key(b"a body")]
    assert told == ["6486", "body-494786f6-6"]


@pytest.mark.parametrize(
    ("text", "weight_bp"),
    [("10%", 1_000), ("10", 1_000), ("0.1", 1_000), ("0.5%", 50), ("0.0001", 1), ("99.99%", 9_999), ("1%", 100)],
)
def test_a_weight_is_a_percentage_or_a_share(text: str, weight_bp: int) -> None:
    assert parse_weight(text) == weight_bp


@pytest.mark.parametrize(
    "text", ["", "0", "0%", "100", "100%", "1", "1.0", "-5", "nan", "1e1", "10.001%", "x", "%", "."]
)
def test_a_weight_that_is_none_or_ambiguous_is_refused(text: str) -> None:
    with pytest.raises(RequestInvalid):
        parse_weight(text)


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 257, "a\n"])
def test_a_request_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(RequestInvalid):
        check_request_key(key)
    assert check_request_key("~" * 256) == "~" * 256


def test_rollbacks_undo_and_do_not_go_back_and_forth() -> None:
    record = new_label(NAME, LIVE, 1, NOW)
    for version in (2, 3):
        record = moved(record, MoveAction.SET, version, NOW)

    seen = []
    while (before := previous_version(record)) is not None:
        seen.append(before)
        record = moved(record, MoveAction.ROLLBACK, before, NOW)

    assert seen == [2, 1]


def test_a_canary_is_promoted_and_the_history_tells_who_when_and_why(world: World) -> None:
    mover(world, by="ann", why="try it").start_canary(2, 500)
    mover(world, by="ann").start_canary(2, 2_000)
    mover(world, by="bob", why="fine").promote()

    found = live(world)

    assert (found.version, found.canary, found.revision, found.by, found.why) == (2, None, 4, "bob", "fine")
    assert [(move.action, move.version, move.canary) for move in found.history] == [
        ("set", 1, None),
        ("canary", 1, Canary(2, 500)),
        ("canary", 1, Canary(2, 2_000)),
        ("promote", 2, None),
    ]
    assert found.history[1].change == Change(world.clock.now(), "ann", "try it")


def test_a_rollback_drops_the_canary_first_and_the_version_next(world: World) -> None:
    point(world, 2)
    mover(world).start_canary(3, 500)

    steps = [(record.version, record.canary) for record in (mover(world).rollback(), mover(world).rollback())]

    assert steps == [(2, None), (1, None)]
    with pytest.raises(RequestInvalid, match="no version before 1"):
        mover(world).rollback()


def test_a_label_that_is_set_has_no_canary_any_more(world: World) -> None:
    mover(world).start_canary(2, 500)

    point(world, 3)

    assert (live(world).version, live(world).canary) == (3, None)


@pytest.mark.parametrize(
    ("move", "error"),
    [
        (lambda world: mover(world).start_canary(1, 500), RequestInvalid),
        (lambda world: mover(world).start_canary(9, 500), ModelNotFound),
        (lambda world: mover(world).start_canary(2, 0), RequestInvalid),
        (lambda world: mover(world).start_canary(2, 10_000), RequestInvalid),
        (lambda world: mover(world).promote(), RequestInvalid),
        (lambda world: mover(world).rollback(), RequestInvalid),
        (lambda world: mover(world, revision=7).start_canary(2, 500), AliasConflict),
        (lambda world: mover(world, why="x" * 301).start_canary(2, 500), RequestInvalid),
        (lambda world: mover(world, by="two\nlines").start_canary(2, 500), RequestInvalid),
        (lambda world: point(world, 2, revision=0), AliasConflict),
        (lambda world: point(world, 9), ModelNotFound),
        (lambda world: labelled(world, "2"), NameInvalid),
        (lambda world: LabelMover(NAME, "no", registry=world.registry, clock=world.clock).promote(), ModelNotFound),
        (lambda world: retired(world, 9), ModelNotFound),
        (lambda world: retired(world, 1), VersionInUse),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_and_changes_nothing(world: World, move, error: type[Exception]) -> None:
    before = live(world)

    with pytest.raises(error):
        move(world)

    assert live(world) == before


def labelled(world: World, label: str) -> None:
    set_label(NAME, label, 1, registry=world.registry, clock=world.clock)


def test_a_label_is_never_taken_for_a_version(world: World) -> None:
    with pytest.raises(NameInvalid, match="name it v2"):
        labelled(world, "2")

    labelled(world, "2b")
    assert {label.label for label in world.registry.labels(NAME)} == {"2b", "live"}


def retired(world: World, version: int, **more: object) -> None:
    retire(ModelRef(NAME, version), registry=world.registry, jobs=world.jobs, clock=world.clock, **more)


def test_a_retired_version_gets_no_label_and_is_told_as_retired(world: World) -> None:
    point(world, 2)
    point(world, 1)
    retired(world, 2, by="ann", why="too slow")

    for use in (lambda: point(world, 2), lambda: mover(world).start_canary(2, 500), lambda: retired(world, 2)):
        with pytest.raises(VersionRetired, match=r"by ann at .*: too slow"):
            use()
    point(world, 3)
    assert mover(world).rollback().version == 1
    assert DescribeService(world.registry).model(NAME)["retired"] == ["2"]


def test_what_uses_a_version_is_told(world: World) -> None:
    mover(world).start_canary(2, 1_050)

    for version, told in ((1, "label live"), (2, "label live (canary at 10.5%)")):
        with pytest.raises(VersionInUse) as refusal:
            retired(world, version)
        assert refusal.value.got == [told]


@pytest.mark.parametrize("fields", [{"version": 2}, {}])
def test_an_open_job_keeps_its_version(world: World, fields: dict[str, int]) -> None:
    job = new_job(TENANT, request(version="2"), clock=world.clock, retention_days=1)
    world.jobs.create(replace(job, **fields))

    with pytest.raises(VersionInUse, match=r"job job-1 of acme \(QUEUED\)"):
        retired(world, 2)
    world.jobs.close(TENANT, "job-1")

    retired(world, 2)


def test_of_two_who_move_a_label_at_once_one_wins_and_the_other_is_told() -> None:
    for attempt in range(20):
        world = World()
        for _ in range(3):
            world.publish()
        revision, barrier, outcomes = live(world).revision, Barrier(2), []

        def act(version: int, world: World = world, barrier: Barrier = barrier, outcomes: list = outcomes) -> None:
            record = moved(live(world), MoveAction.SET, version, replace(NOW, by=f"writer {version}"))
            barrier.wait()
            try:
                world.registry.set_label(record)
                outcomes.append(version)
            except AliasConflict:
                outcomes.append(None)

        threads = [Thread(target=act, args=[version]) for version in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        (winner,) = (version for version in outcomes if version is not None)
        assert (live(world).version, live(world).revision) == (winner, revision + 1), attempt


def routed(world: World, **fields: object) -> tuple[str, str | None]:
    service = CallService(PredictService(world.resolver(0.0), world.models()))
    headers = {"content-type": "image/png"}
    call = Call(Operation.MEDIA_PREDICT, ModelChoice(NAME), picture(200), headers, **fields)
    answer = service.answer(call, Timings())
    return str(answer.model), answer.headers.get("Lambent-Canary")


def test_the_answer_says_whether_the_canary_gave_it_only_while_there_is_one(world: World) -> None:
    assert routed(world) == ("shade@1", None)
    mover(world).start_canary(2, 5_000)

    answers = {routed(world, request_key=f"user-{number}") for number in range(40)}

    assert answers == {("shade@1", "false"), ("shade@2", "true")}
    mover(world).promote()
    assert routed(world) == ("shade@2", None)


def upload(world: World, body: bytes) -> ModelRef:
    key = f"inbox/{TENANT}/{NAME}/a.png"
    world.data.write(key, body, content_type="image/png")
    service = IngestService(
        data=world.data,
        grants=world.grants,
        resolver=world.resolver(0.0),
        files=world.files,
        queue=world.infer_queue,
        batches=world.uploaded_batches,
        max_upload_bytes=10_000,
    )
    assert service.ingest(Upload(key, "")) is None
    message = msgspec.json.decode(world.infer_queue.sent[-1][0], type=TensorMessage)
    return ModelRef(message.model, message.version)


def test_the_same_picture_gets_the_same_version_at_every_door(world: World) -> None:
    mover(world).start_canary(2, 5_000)
    service = CallService(PredictService(world.resolver(0.0), world.models()))

    for shade in range(0, 250, 10):
        body = picture(shade)
        call = Call(Operation.MEDIA_PREDICT, ModelChoice(NAME), body, {"content-type": "image/png"})
        assert service.answer(call, Timings()).model == upload(world, body)


def test_without_a_key_the_stable_version_is_meant(world: World) -> None:
    mover(world).start_canary(2, 9_999)

    assert world.resolver().resolve(ModelChoice(NAME)) == ModelRef(NAME, 1)
    assert DescribeService(world.registry).model(NAME)["canaries"] == {
        "live": {"version": "2", "weight_percent": 99.99}
    }


def test_the_body_is_not_looked_at_without_a_canary(world: World) -> None:
    def never() -> str:
        raise AssertionError("the routing key was asked for")

    assert world.resolver().target(ModelChoice(NAME), never).is_canary is None


def collector(world: World) -> GarbageCollector:
    return GarbageCollector(
        store=world.store, registry=world.registry, jobs=world.jobs, clock=world.clock, retired_for_days=30
    )


def test_only_what_was_retired_long_ago_is_removed_and_its_number_never_comes_again(world: World) -> None:
    retired(world, 3)
    world.clock.advance(29 * DAY_S)
    assert collector(world).find() == []
    retired(world, 2)
    world.clock.advance(2 * DAY_S)

    (found,) = collector(world).find()
    assert collector(world).remove(found, by="ann")

    assert (found.ref, found.kind) == (ModelRef(NAME, 3), "retired")
    assert {key.split("/")[1] for key in world.store.objects} == {"1", "2"}
    assert DescribeService(world.registry).versions(NAME) == [1, 2]
    with pytest.raises(ModelNotFound, match="removed by ann"):
        world.models().get(ModelRef(NAME, 3))
    assert world.publish() == ModelRef(NAME, 4)
    assert collector(world).find() == []


@pytest.mark.parametrize("deletions", [0, 1, 3])
def test_a_removal_that_dies_is_finished_by_the_next_and_leaves_no_half_a_version(world: World, deletions: int) -> None:
    retired(world, 3)
    world.clock.advance(31 * DAY_S)
    left_to_delete = iter(range(deletions))

    def die(operation: str, _key: str) -> None:
        if operation == "delete" and next(left_to_delete, None) is None:
            raise Unavailable("the store is away")

    (found,) = collector(world).find()
    world.store.before_call = die
    with pytest.raises(Unavailable):
        collector(world).remove(found)
    world.store.before_call = lambda _operation, _key: None

    with pytest.raises(ModelNotFound):
        world.files.manifest(ModelRef(NAME, 3))
    (left,) = collector(world).find()
    assert (left.kind, len(left.objects)) == ("removed", len(found.objects) - deletions)
    assert collector(world).remove(left)
    assert collector(world).find() == []


def test_what_a_publisher_left_is_removed_after_a_day_and_it_cannot_come_back(world: World) -> None:
    world.store.write("shade/4/model.tflite", b"half", content_type="x")
    world.store.write("elsewhere.txt", b"not ours", content_type="x")
    assert collector(world).find() == []
    world.clock.advance(25 * 3_600)

    (found,) = collector(world).find()
    assert collector(world).remove(found)

    assert (found.ref, found.kind) == (ModelRef(NAME, 4), "unpublished")
    assert "elsewhere.txt" in world.store.objects
    with pytest.raises(Conflict):
        world.registry.add_version(replace(world.registry.version(ModelRef(NAME, 1)), ref=ModelRef(NAME, 4)))
    assert world.publish() == ModelRef(NAME, 5)


def test_a_version_that_was_published_or_used_since_it_was_found_is_kept(world: World) -> None:
    world.store.write("shade/4/model.tflite", b"half", content_type="x")
    retired(world, 3)
    world.clock.advance(31 * DAY_S)
    old, half = collector(world).find()

    world.registry.add_version(replace(world.registry.version(ModelRef(NAME, 1)), ref=ModelRef(NAME, 4)))
    world.jobs.create(new_job(TENANT, request(version="3"), clock=world.clock, retention_days=1))

    assert (old.kind, half.kind) == ("retired", "unpublished")
    assert not collector(world).remove(old)
    assert not collector(world).remove(half)
    assert set(world.store.objects) >= {"shade/3/manifest.json", "shade/4/model.tflite"}


def test_errors_of_the_registry_are_conflicts_with_codes_of_their_own() -> None:
    codes = {error.code: error for error in (VersionRetired, VersionInUse, AliasConflict)}

    assert set(codes) == {"version_retired", "version_in_use", "alias_conflict"}
    assert all(issubclass(error, Conflict) and issubclass(error, LambentError) for error in codes.values())
