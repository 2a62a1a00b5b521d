"""A tenant with more batch jobs than it has places: the older ones run, the younger ones wait for their ends."""

import json
import random
from collections import Counter
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_steps import ready, sweep

from builders import TENANT, World, picture
from lambent.contracts.messages import InferMessage
from lambent.domain.job_states import JobState, states_before
from lambent.domain.shard_window import share
from lambent.services.cancel_job import CancelJobService
from lambent.services.send_job import JobSender
from lambent_toolkit.fakes import FakeQueue

PLACES = 10  # of a world's CPU lane
SHARDS = 3


def world_of(jobs: int, *, shards: int = SHARDS) -> World:
    """Return a world with so many jobs of shards of two items each, planned one after the other."""
    world = ready(*[picture(0)] * (2 * shards))
    for number in range(jobs):
        world.clock.advance(1)
        world.dispatch(lane="cpu", id=name(number))
    return world


def name(number: int) -> str:
    return f"job-{number:02d}"


def in_flight(world: World) -> Counter[str]:
    return Counter(json.loads(body)["job_id"] for body, _ in world.infer_queue.sent)


def run(world: World, at: int = 0) -> None:
    """Run one message of the inference queue, and what comes after it."""
    message = msgspec.json.decode(world.infer_queue.sent.pop(at)[0], type=InferMessage)
    found = world.jobs.get(TENANT, message.job_id)
    if found is not None and not found.state.is_terminal:
        world.shards().run(TENANT, message.job_id, message.shard)
    world.advancer.after_shard(TENANT, message.job_id, slot=message.slot)


def states(world: World) -> Counter[JobState]:
    return Counter(each.state for each in world.jobs.jobs.values())


def lose_messages(world: World) -> None:
    world.infer_queue.sent.clear()
    world.infer_queue.groups.clear()


@given(st.integers(1, 60), st.integers(1, 20))
def test_jobs_of_one_tenant_never_have_more_slots_than_it_has_places(jobs: int, places: int) -> None:
    slots = [share(places, jobs=jobs, older=older, places=places, has_begun=False) for older in range(jobs)]

    assert sum(slots) <= places
    assert slots[0] >= 1
    assert sorted(slots, reverse=True) == slots


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 20))
def test_a_job_that_has_begun_goes_on(jobs: int, older: int, places: int) -> None:
    assert share(places, jobs=jobs, older=older, places=places, has_begun=True) >= 1


def test_twenty_jobs_hold_no_more_places_than_a_tenant_has_and_all_of_them_end() -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    world = world_of(20)
    first = in_flight(world)

    most = 0
    while world.infer_queue.sent:
        most = max(most, len(world.infer_queue.sent))
        run(world, chance.randrange(len(world.infer_queue.sent)))

    # Those that came first have more slots until they look again.
    assert set(first) == {name(number) for number in range(PLACES)}
    assert most == sum(first.values())
    assert states(world) == {JobState.SUCCEEDED: 20}


def test_jobs_begin_in_the_order_in_which_they_came() -> None:
    world = world_of(PLACES + 4)

    begun: list[str] = []
    while world.infer_queue.sent:
        begun += [job_id for job_id in sorted(in_flight(world)) if job_id not in begun]
        run(world)

    assert begun == [name(number) for number in range(PLACES + 4)]


def test_one_end_lets_one_job_begin() -> None:
    world = world_of(PLACES + 4, shards=1)
    run(world)

    after_one = set(in_flight(world))
    run(world)

    assert after_one == {name(number) for number in range(1, PLACES + 1)}
    assert set(in_flight(world)) == {name(number) for number in range(2, PLACES + 2)}


def test_a_job_that_somebody_cancels_gives_its_place_back_with_its_shard() -> None:
    world = world_of(PLACES + 1, shards=1)
    sender = JobSender(batches=FakeQueue(), calls=world.infer_queue, data=world.data)
    canceller = CancelJobService(jobs=world.jobs, sender=sender, runner=world.runner, clock=world.clock)
    canceller.cancel(TENANT, name(0))

    before = set(in_flight(world))
    run(world)

    assert name(PLACES) not in before
    assert name(PLACES) in in_flight(world)


def test_jobs_of_others_begin_whoever_has_many() -> None:
    world = world_of(20)
    mine = world.jobs.jobs[TENANT, name(19)]
    other = replace(mine, tenant="other", width=None)
    world.jobs.jobs["other", name(19)] = other

    assert (world.shard_sender.slots(mine), world.shard_sender.slots(other)) == (0, 6)


def test_who_ends_while_a_job_is_planned_is_noticed_by_it() -> None:
    world = world_of(PLACES, shards=1)
    oldest, store = world.jobs.jobs[TENANT, name(0)], world.jobs
    set_width = store.set_width

    def end_one_first(tenant: str, job_id: str, width: int, *, before: int | None) -> bool:
        store.set_width = set_width  # type: ignore[method-assign]
        store.jobs[TENANT, name(0)] = replace(oldest, state=JobState.SUCCEEDED)
        return set_width(tenant, job_id, width, before=before)

    store.set_width = end_one_first  # type: ignore[method-assign]
    world.clock.advance(1)
    world.dispatch(lane="cpu", id=name(PLACES))

    assert name(PLACES) in in_flight(world)


def test_two_ends_at_once_wake_a_job_once() -> None:
    world = world_of(PLACES + 1, shards=1)
    ended = world.jobs.jobs[TENANT, name(0)]
    world.jobs.transition(
        TENANT, name(0), JobState.CANCELLED, allowed=states_before(JobState.CANCELLED), at=ended.updated_at
    )

    for _ in range(2):
        world.shard_sender.wake(ended)

    assert in_flight(world)[name(PLACES)] == 1


@pytest.mark.parametrize("after_s", [61.0, 600.0])
def test_the_sweep_asks_again_for_what_waits_and_never_gives_it_up(after_s: float) -> None:
    world, batches = world_of(PLACES + 1), FakeQueue()
    world.infer_queue.sent = world.infer_queue.sent[-1:]  # others wait, too: that is no reason to leave it asleep

    asked = []
    for _ in range(8):
        batches.sent.clear()
        sweep(world, after_s=after_s, batches=batches)
        asked.append(sum(json.loads(body)["id"] == name(PLACES) for body, _ in batches.sent))

    waiting = world.jobs.jobs[TENANT, name(PLACES)]
    assert asked == [1] * 8
    assert (waiting.state, waiting.waits_for_a_place, waiting.heals) == (JobState.PLANNED, True, 0)


def test_what_nobody_woke_begins_when_the_sweep_asks_for_it() -> None:
    world, batches = world_of(PLACES + 1, shards=1), FakeQueue()
    lose_messages(world)
    for number in range(PLACES):  # ended, and whoever ended them died before they woke the next
        done = world.jobs.jobs[TENANT, name(number)]
        world.jobs.jobs[TENANT, name(number)] = replace(done, state=JobState.SUCCEEDED, is_open=False)

    sweep(world, batches=batches)
    for body, attributes in batches.sent:
        world.dispatcher().dispatch(attributes["tenant"], body.decode())

    assert in_flight(world) == {name(PLACES): 1}
