"""Who ends a shard, by what its attempts have left: what was computed stays, the guilty are named, the rest is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from job_steps import JOB, job, ready, sweep, track

from builders import TENANT, World, picture, request
from lambent.contracts.jobs import Plan
from lambent.contracts.lines import decode_lines
from lambent.domain.dead_letters import Became
from lambent.domain.job_states import JobState
from lambent.domain.lost_work import LostShard
from lambent.domain.suspicion import InFlight, Suspicion
from lambent.errors import ModelLoadFailed, ProcessingGaveUp
from lambent.services.checkpoint_shard import BatchSizes, Checkpoints
from lambent.services.fail_shard import ShardFailer
from lambent.services.read_plan import read_plan
from lambent.services.result_lines import ResultLines

ITEMS, SAVED, GUILTY = 6, 2, 4
PREFIX = f"{JOB}/checkpoints/00000/"
PART = f"{JOB}/part-00000.jsonl"
GAVE_UP = ProcessingGaveUp("It was given out 5 times.")
END = "died of SIGFPE"


def planned(lane: str) -> World:
    """Return a world with a job of one shard that runs."""
    world = ready(*[picture(20 * index) for index in range(ITEMS)])
    changes: dict[str, Any] = {"lane": lane, "deadline": datetime.fromtimestamp(world.clock.at_s + 3600, UTC)}
    world.dispatcher(shard_items=ITEMS).dispatch(TENANT, msgspec.json.encode(request(**changes)).decode())
    world.jobs.transition(TENANT, "job-1", JobState.RUNNING, allowed=[job(world).state], at=world.clock.now())
    return world


def checkpoint(world: World, plan: Plan) -> None:
    """Leave what an attempt has finished: the first items' results."""
    checkpoints = Checkpoints(world.data, plan, 0)
    checkpoints.sizes = BatchSizes(SAVED)
    with ResultLines() as lines:
        lines.add([{"id": f"i{number}", "result": number} for number in range(SAVED)])
        checkpoints.note(list(range(SAVED)))
        checkpoints.save(lines)


def in_flight(world: World, **known: Any) -> None:
    record = {"schema_version": 1, "suspicion": Suspicion(**known), "in_flight": InFlight(), "is_stopped": False}
    world.data.objects[f"{PREFIX}in-flight.json"] = msgspec.json.encode(record)


def guilty(world: World, plan: Plan) -> None:
    in_flight(world, guilty={GUILTY: END})


def torn(world: World, plan: Plan) -> None:
    checkpoint(world, plan)
    (name,) = (key for key in world.data.objects if key.startswith(PREFIX) and key.endswith(".jsonl"))
    world.data.objects[name] = world.data.objects[name][:-3]


def without_start(world: World, plan: Plan) -> None:
    checkpoint(world, plan)
    del world.data.objects[f"{PREFIX}start.json"]


def torn_record(world: World, plan: Plan) -> None:
    checkpoint(world, plan)
    world.data.objects[f"{PREFIX}in-flight.json"] = b'{"schema_version": 1, "susp'


def both(world: World, plan: Plan) -> None:
    checkpoint(world, plan)
    guilty(world, plan)


# What attempts have left, with how many results that is, and who is known to be guilty.
LEFT: dict[str, tuple[Callable[[World, Plan], None], int, set[int]]] = {
    "nothing": (lambda *_: None, 0, set()),
    "a checkpoint": (checkpoint, SAVED, set()),
    "a guilty item": (guilty, 0, {GUILTY}),
    "a checkpoint and a guilty item": (both, SAVED, {GUILTY}),
    "a torn checkpoint": (torn, 0, set()),
    "checkpoints without their beginning": (without_start, 0, set()),
    "a checkpoint and a torn record of the guilty": (torn_record, SAVED, set()),
}


def attempt(world: World) -> None:
    """End it as a worker or InferFunction does whose attempt cannot run, and at a message's last receive."""
    world.shards().fail(TENANT, "job-1", 0, ModelLoadFailed("It does not load."))
    world.finisher.finish_if_complete(TENANT, "job-1")


def dead_letter(world: World) -> None:
    failer = ShardFailer(data=world.data, jobs=world.jobs, advancer=world.advancer, clock=world.clock)
    assert failer.fail(LostShard(TENANT, "job-1", 0, 0), GAVE_UP) is Became.FAILED


def deadline(world: World) -> None:
    sweep(world, after_s=3601)


def failed_array(world: World) -> None:
    track(world, "FAILED")


def swept(world: World) -> None:
    """End it by the sweep, which has sent it again in vain as often as it does."""
    for _ in range(4):
        world.infer_queue.sent.clear()
        sweep(world, after_s=3000 / 4)


# Who ends a shard, on which lane, and with which code.
ENDS: dict[str, tuple[Callable[[World], None], str, str]] = {
    "an attempt": (attempt, "cpu", "model_load_failed"),
    "an attempt of the GPU lane": (attempt, "gpu", "model_load_failed"),
    "the reader of dead letters": (dead_letter, "cpu", "processing_gave_up"),
    "the deadline": (deadline, "cpu", "deadline_exceeded"),
    "the deadline of the GPU lane": (deadline, "gpu", "deadline_exceeded"),
    "a failed array": (failed_array, "gpu", "shard_failed"),
    "the sweep": (swept, "cpu", "shard_failed"),
}


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("by", ENDS)
def test_whoever_ends_a_shard_keeps_what_is_computed_and_names_the_guilty(by: str, left: str) -> None:
    (end, lane, code), (leave, saved, known) = ENDS[by], LEFT[left]
    world = planned(lane)
    leave(world, read_plan(world.data, TENANT, "job-1"))

    end(world)

    codes = [None if number < saved else "processing_crashed" if number in known else code for number in range(ITEMS)]
    part = decode_lines(world.data.objects[PART])
    assert [line["id"] for line in part] == [f"i{number}" for number in range(ITEMS)]
    assert [line.get("code") for line in part] == codes
    assert [line["result"] for line in part[:saved]] == list(range(saved))
    listed = decode_lines(world.data.objects[f"{JOB}/errors.jsonl"])
    assert [line["id"] for line in listed] == [line["id"] for line in part[saved:]]
    ended = job(world)
    assert (ended.state.is_terminal, ended.done, ended.failed) == (True, saved, ITEMS - saved)


@pytest.mark.parametrize("by", ["the deadline", "a failed array", "the reader of dead letters"])
def test_what_another_may_still_go_on_from_is_not_touched(by: str) -> None:
    """JobEventsRole and SweepRole may delete no checkpoint, and an attempt may still be at work."""
    end, lane, _ = ENDS[by]
    world = planned(lane)
    without_start(world, read_plan(world.data, TENANT, "job-1"))
    before = {key: body for key, body in world.data.objects.items() if key.startswith(PREFIX)}

    end(world)

    assert {key: body for key, body in world.data.objects.items() if key.startswith(PREFIX)} == before


@pytest.mark.parametrize(("by", "is_blamed"), [("the reader of dead letters", True), ("the deadline", False)])
def test_what_the_last_attempt_was_at_is_blamed_only_by_who_knows_that_it_died(by: str, is_blamed: bool) -> None:
    """An item that was alone in a process that died before is guilty if it was so again; a deadline ends no process."""
    end, lane, code = ENDS[by]
    world = planned(lane)
    record = {"schema_version": 1, "suspicion": Suspicion(weights={GUILTY: 1}), "in_flight": InFlight(alone=GUILTY)}
    world.data.objects[f"{PREFIX}in-flight.json"] = msgspec.json.encode(record)

    end(world)

    told = decode_lines(world.data.objects[PART])[GUILTY]["code"]
    assert told == ("processing_crashed" if is_blamed else code)


def test_a_cancelled_job_gets_no_part_of_what_was_not_finished() -> None:
    world = planned("cpu")
    both(world, read_plan(world.data, TENANT, "job-1"))

    world.jobs.transition(TENANT, "job-1", JobState.CANCELLED, allowed=[JobState.RUNNING], at=world.clock.now())
    world.finisher.settle(job(world))

    assert job(world).state is JobState.CANCELLED
    assert PART not in world.data.objects
