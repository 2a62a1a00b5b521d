"""One attempt of a shard after another: threads, checkpoints, ends of all kinds, and the bytes that come out."""

import gzip
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from job_steps import JOB, job, ready

from builders import TENANT, World, picture, request, tell_shade
from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.lines import decode_lines
from lambent.domain.job_states import JobState
from lambent.errors import Interrupted, MemoryExhausted, SourceGone, Unavailable
from lambent.services.checkpoint_shard import BatchSizes
from lambent.services.prepare_items import PreparingLimits
from lambent.services.run_shard import ShardService
from lambent.services.shard_attempt import CheckpointRule
from patience import PATIENCE_S

PART = f"{JOB}/part-00000.jsonl"
CHECKPOINTS = f"{JOB}/checkpoints/00000/"
ITEMS = 12
EVERY_4 = CheckpointRule(items=4, seconds=1e9)
ALONE = PreparingLimits(threads=1, decoders=1)


class Killed(BaseException):
    """What a SIGKILL is to a process: nothing after it is done."""


def planned(*, items: int = ITEMS, **output: str) -> World:
    """Return a world with a job of one shard (the CPU lane has smaller ones), of which item 5 is no picture."""
    bodies = [picture(20 * index) for index in range(items)]
    bodies[5] = b"no picture"
    world = ready(*bodies)
    asked = request(lane="gpu", output=OutputOptions(**output))
    world.dispatcher(shard_items=items).dispatch(TENANT, msgspec.json.encode(asked).decode())
    return world


def run(shards: ShardService, **options: object) -> None:
    shards.run(TENANT, "job-1", 0, **options)


def uninterrupted(**options: object) -> bytes:
    world = planned()
    run(world.shards(**options))
    return world.data.objects[PART]


def ids(world: World) -> list[str]:
    return [line["id"] for line in decode_lines(world.data.objects[PART])]


def checkpoints(world: World) -> list[str]:
    return sorted(key.removeprefix(CHECKPOINTS) for key in world.data.objects if key.startswith(CHECKPOINTS))


def killing_at(event: str, *, time: int = 1) -> Callable[[str], None]:
    seen: Counter[str] = Counter()

    def on_event(name: str) -> None:
        seen[name] += 1
        if name == event and seen[name] == time:
            raise Killed

    return on_event


def fetched(world: World) -> Counter[str]:
    """Count how often each input object is read from now on."""
    seen: Counter[str] = Counter()

    def note(operation: str, key: str) -> None:
        if operation == "read" and key.startswith("inputs/") and key.endswith(".png"):
            seen[Path(key).stem] += 1

    world.data.before_call = note
    return seen


def test_lines_stand_in_the_items_order_whichever_item_is_ready_first() -> None:
    world = planned()
    last = threading.Event()

    def first_waits_for_last(operation: str, key: str) -> None:
        if key.endswith("/3.png"):
            last.set()
        if key.endswith("/0.png"):
            assert last.wait(PATIENCE_S)

    world.data.before_call = first_waits_for_last
    run(world.shards())

    assert ids(world) == [f"i{index}" for index in range(ITEMS)]


def test_an_item_that_is_late_does_not_hold_up_results_that_are_written_as_produced() -> None:
    world = planned(order="produced")
    others_are_done = threading.Event()

    def hold_the_first(operation: str, key: str) -> None:
        if key.endswith("/0.png"):
            assert others_are_done.wait(PATIENCE_S)

    world.data.before_call = hold_the_first
    run(world.shards(batch_size=1), on_progress=lambda done: others_are_done.set() if done == ITEMS - 1 else None)

    assert ids(world)[-1] == "i0"
    assert sorted(ids(world)) == sorted(f"i{index}" for index in range(ITEMS))


def test_items_are_fetched_only_a_bounded_number_ahead_of_the_model() -> None:
    world = planned(items=60)
    seen = fetched(world)
    ahead: list[int] = []

    run(
        world.shards(batch_size=2, limits=PreparingLimits(threads=3, decoders=1)),
        on_progress=lambda done: ahead.append(sum(seen.values()) - done),
    )

    assert max(ahead) <= 2 + 3
    assert len(ahead) == 30


def test_threads_that_prepare_are_told_when_they_start_and_the_model_s_own_is_not() -> None:
    world = planned()
    told: set[int] = set()
    fetching: set[int] = set()
    world.data.before_call = lambda _operation, key: fetching.add(threading.get_ident()) if "inputs/" in key else None

    limits = PreparingLimits(threads=2, decoders=1, on_start=lambda: told.add(threading.get_ident()))
    run(world.shards(batch_size=2, limits=limits))

    assert fetching
    assert fetching <= told
    assert threading.get_ident() not in told


def test_a_store_that_fails_ends_the_attempt_and_the_next_one_computes_every_item_once() -> None:
    world = planned()

    def fail_once(operation: str, key: str) -> None:
        if key.endswith("/7.png"):
            raise Unavailable("The data store did not answer; try again.")

    world.data.before_call = fail_once
    with pytest.raises(Unavailable):
        run(world.shards(rule=EVERY_4))
    assert PART not in world.data.objects
    seen = fetched(world)
    run(world.shards(rule=EVERY_4))

    assert world.data.objects[PART] == uninterrupted()
    assert set(seen) == {str(index) for index in range(4, ITEMS)}  # the first four were in a checkpoint


@pytest.mark.parametrize(
    ("event", "time"),
    [
        ("before_checkpoint", 1),
        ("after_checkpoint", 1),
        ("before_checkpoint", 2),
        ("after_checkpoint", 2),
        ("before_errors", 1),
        ("before_part", 1),
        ("after_part", 1),
        ("after_clearing", 1),
        ("after_report", 1),
    ],
)
@pytest.mark.parametrize("order", ["item", "produced"])
def test_a_shard_killed_anywhere_goes_on_to_the_same_results(event: str, time: int, order: str) -> None:
    world = planned(order=order)

    with pytest.raises(Killed):
        run(world.shards(rule=EVERY_4, limits=ALONE, on_event=killing_at(event, time=time)))
    run(world.shards(rule=EVERY_4, limits=ALONE))

    lines = sorted(decode_lines(world.data.objects[PART]), key=lambda line: line["id"])
    assert lines == sorted(decode_lines(uninterrupted()), key=lambda line: line["id"])
    assert order == "produced" or world.data.objects[PART] == uninterrupted()
    assert decode_lines(world.data.objects[f"{JOB}/errors-00000.jsonl"])[0]["id"] == "i5"
    assert (job(world).done, job(world).failed, job(world).finished_shards) == (ITEMS - 1, 1, {0})


def test_an_attempt_recomputes_no_more_than_a_checkpoint_is_long() -> None:
    world = planned()
    with pytest.raises(Killed):
        run(world.shards(rule=EVERY_4, on_event=killing_at("before_checkpoint", time=2)))

    seen = fetched(world)
    run(world.shards(rule=EVERY_4))

    assert set(seen) == {str(index) for index in range(4, ITEMS)}  # 8 were computed, 4 of them were kept
    assert max(seen.values()) == 1


def test_checkpoints_go_once_the_part_is_there() -> None:
    world = planned()

    run(world.shards(rule=EVERY_4))

    assert checkpoints(world) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "bit", "header", "swapped", "start"])
def test_a_torn_checkpoint_is_computed_again(damage: str) -> None:
    world = planned()
    with pytest.raises(Killed):
        run(world.shards(rule=EVERY_4, on_event=killing_at("before_errors")))
    assert checkpoints(world) == ["000000000-000000004.jsonl", "000000004-000000008.jsonl", "start.json"]
    objects, name = world.data.objects, f"{CHECKPOINTS}000000004-000000008.jsonl"
    body = objects[name]
    objects[name] = {
        "cut": body[:-7],
        "empty": b"",
        "bit": body[:-9] + bytes([body[-9] ^ 1]) + body[-8:],
        "header": body.replace(b'"done":3', b'"done":4'),
        "swapped": objects[f"{CHECKPOINTS}000000000-000000004.jsonl"],
        "start": body,
    }[damage]
    if damage == "start":
        objects[f"{CHECKPOINTS}start.json"] = b'{"schema_version":1,"batch_s'

    seen = fetched(world)
    run(world.shards(rule=EVERY_4))

    assert objects[PART] == uninterrupted()
    assert set(seen) == {str(index) for index in range(0 if damage == "start" else 4, ITEMS)}
    assert checkpoints(world) == []


def test_a_host_that_goes_leaves_a_checkpoint_and_the_next_one_computes_only_the_rest() -> None:
    world = planned()
    done: list[int] = []

    with pytest.raises(Interrupted) as stop:
        run(world.shards(), on_progress=done.append, should_stop=lambda: done[-1:] == [6])
    seen = fetched(world)
    run(world.shards())

    assert stop.value.gained == 6
    assert set(seen) == {str(index) for index in range(6, ITEMS)}
    assert world.data.objects[PART] == uninterrupted()


def test_a_host_that_goes_while_an_item_is_waited_for_does_not_wait_for_it() -> None:
    world = planned()
    is_stopping, over = threading.Event(), threading.Event()

    def hold_one(operation: str, key: str) -> None:
        if key.endswith("/7.png"):
            is_stopping.set()
            over.wait(PATIENCE_S)

    world.data.before_call = hold_one
    with pytest.raises(Interrupted):
        run(world.shards(), should_stop=is_stopping.is_set)

    assert not over.is_set()
    over.set()


def test_a_stop_after_the_last_item_does_not_keep_the_part_from_being_written() -> None:
    world = planned()
    done: list[int] = []

    run(world.shards(), on_progress=done.append, should_stop=lambda: done[-1:] == [ITEMS])

    assert world.data.objects[PART] == uninterrupted()


def test_batches_of_a_resumed_shard_are_those_of_the_first_attempt() -> None:
    world = planned()
    seen: list[int] = []

    def note(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(len(inputs["image"]))
        return tell_shade(inputs)

    world.loader.answer = note
    with pytest.raises(Killed):
        run(world.shards(batch_size=4, rule=EVERY_4, on_event=killing_at("after_checkpoint")))
    seen.clear()
    run(world.shards(batch_size=3, rule=EVERY_4))

    assert seen[-2:] == [4, 4]
    assert 3 not in seen


@pytest.mark.parametrize(("is_compiled", "last"), [(False, 2), (True, 5)])
def test_bad_items_leave_a_batchs_shape_and_only_the_last_batch_may_have_another(is_compiled: bool, last: int) -> None:
    world = planned()  # 12 items, of which number 5 is bad
    seen: list[int] = []

    def note(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(len(inputs["image"]))
        return tell_shade(inputs)

    world.loader.answer = note
    run(world.shards(batch_size=5, is_compiled=is_compiled))

    assert seen[-3:] == [5, 5, last]


def test_the_size_of_batches_is_asked_for_once_and_up_to_the_contracts_rows() -> None:
    world = planned()
    asked: list[int] = []

    def find(model: object, most: int) -> int:
        asked.append(most)
        return 4

    with pytest.raises(Killed):
        run(world.shards(batch_size=64, find_size=find, rule=EVERY_4, on_event=killing_at("after_checkpoint")))
    run(world.shards(batch_size=64, find_size=find, rule=EVERY_4))

    assert asked == [8]  # the contract's max_rows


def test_the_size_that_is_asked_for_is_the_power_of_two_that_holds_the_shard() -> None:
    world = ready(*[picture(0)] * 3)
    world.dispatcher(shard_items=3).dispatch(TENANT, msgspec.json.encode(request(lane="gpu")).decode())
    asked: list[int] = []

    run(world.shards(batch_size=64, find_size=lambda _, most: asked.append(most) or most))

    assert asked == [4]


def too_large_for(rows: int) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return a model that has memory for fewer rows."""

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if len(inputs["image"]) >= rows:
            raise MemoryExhausted("The model has too little memory for a batch of this size.")
        return tell_shade(inputs)

    return answer


def test_a_batch_that_the_memory_does_not_do_for_is_halved_and_stays_so_after_a_kill() -> None:
    world = planned()
    world.loader.answer = too_large_for(4)

    with pytest.raises(Killed):
        run(world.shards(batch_size=8, rule=EVERY_4, on_event=killing_at("after_checkpoint")))
    assert "halved-000000000.json" in checkpoints(world)
    world.loader.answer = tell_shade
    run(world.shards(batch_size=8, rule=EVERY_4))

    assert world.data.objects[PART] == uninterrupted()
    assert job(world).failed == 1


def test_an_item_that_the_memory_does_not_do_for_even_alone_is_told_as_its_error() -> None:
    world = planned()

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if np.isclose(inputs["image"], 60 / 255).all(axis=(1, 2, 3)).any():
            raise MemoryExhausted("The model has too little memory for this item.")
        return tell_shade(inputs)

    world.loader.answer = answer
    run(world.shards(batch_size=4))

    errors = decode_lines(world.data.objects[f"{JOB}/errors-00000.jsonl"])
    assert [(line["id"], line["code"]) for line in errors] == [
        ("i3", "memory_exhausted"),
        ("i5", "image_format_unsupported"),
    ]


def test_batches_reach_up_to_a_halving_and_not_over_it() -> None:
    sizes = BatchSizes(8).halved(16).halved(20)

    assert [(sizes.items(line), sizes.rows(line)) for line in (0, 8, 12, 16, 20)] == [
        (8, 8),
        (8, 8),
        (4, 8),
        (4, 4),
        (2, 2),
    ]


def test_a_job_that_was_cancelled_gets_no_part_and_its_shard_no_finish() -> None:
    world = planned()

    def cancel(done: int) -> None:
        world.clock.advance(10)
        world.jobs.transition(TENANT, "job-1", JobState.CANCELLED, allowed=tuple(JobState), at=world.clock.now())

    run(world.shards(), on_progress=cancel)

    assert PART not in world.data.objects
    assert job(world).finished_shards == frozenset()
    seen = fetched(world)
    run(world.shards())
    assert not seen


def test_what_an_attempt_took_is_added_to_what_those_before_it_took() -> None:
    world = planned()

    with pytest.raises(Interrupted):
        run(world.shards(), on_progress=lambda _: world.clock.advance(3), should_stop=lambda: job(world).done >= 2)
    first = job(world).progress[0]
    run(world.shards(), on_progress=lambda _: world.clock.advance(1))

    assert first.busy_s == 3
    assert job(world).progress[0].busy_s in {3 + 4, 3 + 5, 3 + 6}


def test_the_ledger_knows_the_size_and_digest_of_the_part() -> None:
    world = planned(compression="gzip")
    run(world.shards())
    part = world.data.objects[f"{PART}.gz"]

    (told,) = job(world).progress
    again = planned(compression="gzip")
    again.data.objects |= world.data.objects
    run(again.shards())

    assert (told.part_bytes, told.done, told.failed) == (len(part), ITEMS - 1, 1)
    assert (again.jobs.shard(TENANT, "job-1", 0), told.is_finished) == (replace(told, busy_s=0), True)


def test_a_compressed_part_holds_the_same_lines_and_the_same_bytes_every_time() -> None:
    parts = []
    for _ in range(2):
        world = planned(compression="gzip")
        run(world.shards())
        parts.append(world.data.objects[f"{PART}.gz"])

    assert gzip.decompress(parts[0]) == uninterrupted()
    assert parts[0] == parts[1]


def test_two_attempts_at_once_double_no_item_where_results_are_written_as_produced() -> None:
    world = planned(order="produced")
    slow = threading.Event()

    def hold_two(operation: str, key: str) -> None:
        if key.endswith(("/0.png", "/1.png")):
            slow.wait(PATIENCE_S)

    world.data.before_call = hold_two
    with pytest.raises(Killed):
        run(world.shards(rule=EVERY_4, on_event=killing_at("after_checkpoint", time=2)))
    slow.set()
    mixed = {key: body for key, body in world.data.objects.items() if "-000000004.jsonl" in key}
    other = planned(order="produced")
    with pytest.raises(Killed):
        run(other.shards(rule=EVERY_4, limits=ALONE, on_event=killing_at("after_checkpoint")))
    world.data.objects |= {
        key: other.data.objects[key] for key in mixed
    }  # the other attempt's first, ours of the second

    run(world.shards(rule=EVERY_4))

    assert sorted(ids(world)) == sorted(f"i{index}" for index in range(ITEMS))


def test_a_shard_that_the_job_does_not_have_is_told_as_such() -> None:
    world = planned()

    with pytest.raises(SourceGone, match="1 shards"):
        world.shards().run(TENANT, "job-1", 1)


def test_the_list_of_errors_is_that_of_the_part_that_counts() -> None:
    world = planned()
    other = b'{"id":"i0","line":1,"error":"E","code":"shard_failed"}\n{"id":"i1","label":"dark"}\n'

    def another_was_first(name: str) -> None:
        if name == "before_part":
            world.data.objects[PART] = other

    run(world.shards(on_event=another_was_first))

    assert world.data.objects[PART] == other
    assert world.data.objects[f"{JOB}/errors-00000.jsonl"] == other.splitlines(keepends=True)[0]
    assert (job(world).done, job(world).failed) == (1, 1)


def test_items_are_read_in_pieces_whatever_falls_between_two_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambent.services.read_plan._PIECE_BYTES", 7)
    world = planned()

    run(world.shards())

    assert world.data.objects[PART] == uninterrupted()
