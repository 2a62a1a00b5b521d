"""Shards whose items end processes, on fakes: what is tried where, what is kept, what the next attempt is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from job_steps import JOB, ready

from builders import TENANT, World, picture, request, tell_shade
from lambent.contracts.lines import decode_lines
from lambent.contracts.messages import ShardMessage
from lambent.domain.suspicion import InFlight, Suspicion
from lambent.errors import Interrupted, ProcessingCrashed, Unavailable
from lambent.services.run_shard import ShardService
from lambent.services.shard_attempt import CheckpointRule
from lambent.services.shard_care import NoMarks, Precaution
from programs import ROOT, load_file

ITEMS = 12
POISON = 5
SHADE = 7
RECORD = f"{JOB}/checkpoints/00000/in-flight.json"
PART = f"{JOB}/part-00000.jsonl"
KEPT = Precaution(is_kept=True)


class Killed(BaseException):
    """What a SIGKILL is to a process: nothing after it is done."""


class Marks(NoMarks):
    """Marks in a list."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def alone(self, position: int) -> None:
        self.seen.append(f"alone {position}")

    def survived(self, position: int) -> None:
        self.seen.append(f"survived {position}")

    def computing(self, positions: Any) -> None:
        self.seen.append(f"computing {list(positions)}")

    def found(self) -> InFlight:
        return InFlight()


def planned(*, poison: int | None = POISON) -> World:
    """Return a world with a job of one shard, of which one item is of the poisonous shade."""
    bodies = [picture(SHADE if index == poison else 20 * index) for index in range(ITEMS)]
    world = ready(*bodies)
    world.dispatcher(shard_items=ITEMS).dispatch(TENANT, msgspec.json.encode(request(lane="gpu")).decode())
    return world


def is_poisonous(inputs: Mapping[str, np.ndarray]) -> bool:
    return bool(np.any(np.isclose(inputs["image"] * 255, SHADE, atol=0.4)))


def crashing(world: World, *, calls: list[int], end: Callable[[], BaseException]) -> None:
    """Let the model of a world end at poisonous rows, noting how many rows each of its calls has."""

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(inputs["image"]))
        if is_poisonous(inputs):
            raise end()
        return tell_shade(inputs)

    world.loader.answer = answer


def crashed() -> ProcessingCrashed:
    return ProcessingCrashed("It died.", got="died of SIGFPE")


def shards(world: World, **options: Any) -> ShardService:
    return world.shards(batch_size=4, rule=CheckpointRule(items=4, seconds=1e9), **options)


def lines(world: World) -> list[dict[str, Any]]:
    return decode_lines(world.data.objects[PART])


def test_an_item_that_ends_its_own_process_is_computed_once_and_no_neighbour_waits_for_a_halving() -> None:
    world, calls = planned(), []
    model_calls: list[int] = calls
    crashing(world, calls=model_calls, end=crashed)

    shards(world, tries_alone=True).run(TENANT, "job-1", 0, precaution=KEPT)

    # Golden vectors first; then each item alone, and each batch without the guilty one but in its shape.
    assert calls[-15:] == [1, 1, 1, 1, 4] * 3
    assert [line.get("code") for line in lines(world)] == [None] * 5 + ["processing_crashed"] + [None] * 6


def test_the_lines_of_the_others_are_those_of_a_shard_whose_item_cannot_be_read() -> None:
    world, plain = planned(), planned()
    crashing(world, calls=[], end=crashed)
    plain.data.objects[f"inputs/{TENANT}/{POISON}.png"] = b"no picture"

    shards(world, tries_alone=True).run(TENANT, "job-1", 0, precaution=KEPT)
    shards(plain).run(TENANT, "job-1", 0)

    found, expected = lines(world), lines(plain)
    assert found[:POISON] + found[POISON + 1 :] == expected[:POISON] + expected[POISON + 1 :]


def test_who_is_guilty_is_remembered_by_the_attempt_after_a_stop_and_counts_as_gained() -> None:
    world, calls = planned(poison=0), []
    crashing(world, calls=calls, end=crashed)
    is_over = iter([False] * 2 + [True] * 9)

    with pytest.raises(Interrupted) as stop:
        shards(world, tries_alone=True).run(
            TENANT, "job-1", 0, precaution=KEPT, should_stop=lambda: RECORD in world.data.objects or next(is_over)
        )
    before = len(calls)
    crashing(world, calls=calls, end=Killed)  # which ends this test if it is met
    shards(world, tries_alone=True).run(TENANT, "job-1", 0, precaution=KEPT)

    assert stop.value.gained == 1
    assert before > 0
    assert lines(world)[0]["code"] == "processing_crashed"
    assert RECORD not in world.data.objects


def test_a_store_is_told_nothing_by_an_attempt_that_follows_no_death() -> None:
    world = planned(poison=None)
    written: list[str] = []
    world.data.before_call = lambda operation, key: written.append(key) if operation != "read" else None

    shards(world).run(TENANT, "job-1", 0)

    assert RECORD not in written


def test_an_attempt_that_may_follow_a_death_tells_each_batch_before_it_is_computed() -> None:
    world = planned()
    crashing(world, calls=[], end=Killed)

    with pytest.raises(Killed):
        shards(world).run(TENANT, "job-1", 0, precaution=KEPT)

    told = msgspec.json.decode(world.data.objects[RECORD])
    assert POISON in told["in_flight"]["together"]


def test_four_deaths_with_the_host_make_the_fifth_attempt_a_whole_one() -> None:
    world, calls = planned(), []
    crashing(world, calls=calls, end=Killed)

    deaths = 0
    for attempt in range(1, 6):
        try:
            shards(world).run(TENANT, "job-1", 0, precaution=Precaution(is_kept=attempt > 1))
        except Killed:
            deaths += 1

    assert deaths == 4
    assert [line.get("code") for line in lines(world)] == [None] * 5 + ["processing_crashed"] + [None] * 6


def test_an_attempt_that_was_stopped_in_order_leaves_no_suspect() -> None:
    world, marks = planned(poison=None), Marks()
    with pytest.raises(Interrupted):
        shards(world).run(TENANT, "job-1", 0, should_stop=lambda: True)

    shards(world).run(TENANT, "job-1", 0, precaution=Precaution(marks, is_kept=True))

    assert not [seen for seen in marks.seen if seen.startswith("alone")]
    assert RECORD not in world.data.objects


def test_a_torn_record_of_what_was_in_flight_is_no_record() -> None:
    world = planned(poison=None)
    world.data.objects[RECORD] = b'{"schema_version":1,"suspicion":{"susp'

    shards(world).run(TENANT, "job-1", 0, precaution=KEPT)

    assert len(lines(world)) == ITEMS


def test_batches_are_halved_where_their_items_survive_alone() -> None:
    world, calls = planned(poison=None), []
    crashing(world, calls=calls, end=Killed)
    known = Suspicion(cleared=list(range(4)), together=4)

    shards(world).run(TENANT, "job-1", 0, precaution=Precaution(known=known))

    assert calls[-6:] == [2] * 6


def test_suspects_are_tried_alone_before_any_batch() -> None:
    world, marks = planned(poison=None), Marks()

    shards(world).run(TENANT, "job-1", 0, precaution=Precaution(marks, Suspicion(suspects=[6, 7])))

    assert marks.seen[:4] == ["alone 6", "survived 6", "alone 7", "survived 7"]
    assert [seen for seen in marks.seen if seen.startswith("computing")] == [
        f"computing {list(range(start, start + 4))}" for start in range(0, ITEMS, 4)
    ]


def test_a_shard_that_is_given_up_keeps_what_it_has() -> None:
    world = planned(poison=9)
    crashing(world, calls=[], end=Killed)
    with pytest.raises(Killed):
        shards(world).run(TENANT, "job-1", 0)

    shards(world).fail(TENANT, "job-1", 0, Unavailable("Nothing more is tried."))

    codes = [line.get("code") for line in lines(world)]
    assert codes == [None] * 8 + ["unavailable"] * 4
    assert not [key for key in world.data.objects if "/checkpoints/" in key]


class Sender:
    """Messages that were sent again."""

    def __init__(self) -> None:
        self.sent: list[tuple[ShardMessage, bool]] = []

    def again(self, message: ShardMessage, *, is_suspect: bool) -> None:
        self.sent.append((message, is_suspect))


class Recorded:
    """A shard service that notes how it is asked, and is interrupted."""

    def __init__(self, gained: int) -> None:
        self.asked: list[dict[str, Any]] = []
        self._gained = gained

    def run(self, *_: Any, **asked: Any) -> None:
        self.asked.append(asked)
        error = Interrupted("later")
        error.gained = self._gained
        raise error


@pytest.mark.parametrize(
    ("was_received", "was_suspect", "is_isolated", "stops_below_ms"),
    [(False, False, False, 15_000), (True, False, True, 45_000), (False, True, True, 45_000)],
)
def test_a_message_that_was_received_before_is_run_in_processes_of_their_own_and_sent_again_so(
    monkeypatch: pytest.MonkeyPatch, was_received: bool, was_suspect: bool, is_isolated: bool, stops_below_ms: int
) -> None:
    messages = load_file(ROOT / "functions/infer/shard_messages.py")
    plain, isolated, sender = Recorded(gained=1), Recorded(gained=1), Sender()
    monkeypatch.setattr(messages, "shard_service", lambda: plain)
    monkeypatch.setattr(messages, "isolated_shard_service", lambda: isolated)
    monkeypatch.setattr(messages, "infer_shard_sender", lambda: sender)
    left = SimpleNamespace(ms=0)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: left.ms)
    message = ShardMessage(tenant=TENANT, job_id="job-1", shard=0, is_suspect=was_suspect)

    messages.run_shard(message, context, is_suspect=was_received)

    asked = (isolated if is_isolated else plain).asked
    assert len(asked) == 1
    assert asked[0]["precaution"].is_kept == is_isolated
    assert sender.sent == [(message, is_isolated)]
    for left.ms, is_over in ((stops_below_ms, False), (stops_below_ms - 1, True)):
        assert asked[0]["should_stop"]() == is_over


def test_a_message_of_the_release_before_is_no_suspect() -> None:
    sent = b'{"kind":"shard","schema_version":1,"tenant":"acme","job_id":"job-1","shard":3,"slot":1}'

    assert not msgspec.json.decode(sent, type=ShardMessage).is_suspect
