"""A job in flight: its window of shards, another priority, cancelling, a deadline, retrying what failed."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_steps import JOB, job, ready, run_cpu, submitter, sweep, track

from builders import TENANT, World, picture, request
from lambent.contracts.batch_request import BatchInput, BatchRequest
from lambent.contracts.lines import decode_lines
from lambent.contracts.messages import InferMessage
from lambent.domain.job_states import JobState
from lambent.domain.shard_window import places_of_a_tenant, window
from lambent.errors import (
    DeadlineExceeded,
    InProgress,
    JobHasEnded,
    JobNotFound,
    NothingFailed,
    PriorityFixed,
)
from lambent.services.cancel_job import CancelJobService
from lambent.services.retry_job import RetryJobService, retry_id, retry_request
from lambent.services.send_job import JobSender
from lambent.services.set_priority import SetPriorityService
from lambent_toolkit.fakes import FakeQueue


def many(shards: int = 40, **changes: object) -> World:
    """Return a world with a planned CPU job of shards of two items each."""
    world = ready(*[picture(0)] * (2 * shards))
    world.dispatch(lane="cpu", **changes)
    return world


def sent(world: World) -> list[tuple[int, int]]:
    messages = [msgspec.json.decode(body, type=InferMessage) for body, _ in world.infer_queue.sent]
    return [(message.shard, message.slot) for message in messages]


def waiting(world: World) -> Counter[str]:
    return Counter(json.loads(body)["job_id"] for body, _ in world.infer_queue.sent)


def canceller(world: World, batches: FakeQueue) -> CancelJobService:
    sender = JobSender(batches=batches, calls=world.infer_queue, data=world.data)
    return CancelJobService(jobs=world.jobs, sender=sender, runner=world.runner, clock=world.clock)


def prioritizer(world: World) -> SetPriorityService:
    return SetPriorityService(jobs=world.jobs, shards=world.shard_sender, clock=world.clock)


def run_next(world: World) -> None:
    """Run the oldest message of the inference queue, and what comes after it."""
    body, _ = world.infer_queue.sent.pop(0)
    message = msgspec.json.decode(body, type=InferMessage)
    world.shards().run(TENANT, message.job_id, message.shard)
    world.advancer.after_shard(TENANT, message.job_id, slot=message.slot)


def in_an_hour(world: World) -> datetime:
    return datetime.fromtimestamp(world.clock.epoch_s(), UTC) + timedelta(hours=1)


@given(st.integers(1, 1000), st.integers(0, 8))
def test_a_higher_priority_never_has_a_narrower_window_and_the_highest_has_all(concurrency: int, priority: int) -> None:
    assert 1 <= window(concurrency, priority) <= window(concurrency, priority + 1) <= window(concurrency, 9)
    assert window(concurrency, 9) == concurrency


@given(st.integers(1, 1000))
def test_no_tenant_has_all_places_of_the_lane(concurrency: int) -> None:
    places = places_of_a_tenant(concurrency)

    assert 1 <= places <= concurrency
    assert places < concurrency or concurrency == 1
    assert concurrency - places <= max(1, concurrency // 5)


def test_jobs_of_a_tenant_share_its_places_and_a_job_gets_them_back_when_the_others_have_ended() -> None:
    world = many()
    for other in ("job-2", "job-3"):
        world.dispatch(lane="cpu", id=other)
    opened = [slot for _, slot in sent(world)]

    for _ in range(20):
        run_next(world)
    shared = waiting(world)
    for ended in ("job-1", "job-2"):
        canceller(world, FakeQueue()).cancel(TENANT, ended)
    alone = []
    while world.infer_queue.sent:
        run_next(world)
        alone.append(waiting(world)["job-3"])

    assert opened == [*range(6), *range(3), *range(2)]
    assert shared == {"job-1": 2, "job-2": 2, "job-3": 2}
    assert max(alone) == 6
    assert world.jobs.jobs[(TENANT, "job-3")].done == 80


def test_jobs_of_another_tenant_take_nothing_of_a_tenants_places() -> None:
    world = many()
    mine, before = world.jobs.jobs[(TENANT, "job-1")], len(world.infer_queue.sent)
    world.jobs.jobs[("other", "job-1")] = replace(mine, tenant="other")

    assert (world.shard_sender.slots(mine), before) == (6, 6)


def test_only_a_window_of_a_large_job_is_on_the_queue_at_once() -> None:
    world = many()

    most = []
    while world.infer_queue.sent:
        most.append(len(world.infer_queue.sent))
        run_next(world)

    assert max(most) == most[0] == window(10, 5) == 6
    assert (job(world).state, job(world).done) == (JobState.SUCCEEDED, 80)


def test_a_repeated_delivery_of_every_shard_changes_nothing_but_the_window() -> None:
    world = many(12)

    while world.infer_queue.sent:
        body, attributes = world.infer_queue.sent[0]
        run_next(world)
        if not job(world).state.is_terminal:
            world.infer_queue.sent.insert(0, (body, attributes))
            run_next(world)

    assert (job(world).state, job(world).done, job(world).failed) == (JobState.SUCCEEDED, 24, 0)


def test_a_duplicate_request_sends_only_what_has_not_begun() -> None:
    world = many()
    world.infer_queue.sent.pop(0)
    world.shards().run(TENANT, "job-1", 0)  # begun, its message is being worked on
    world.infer_queue.sent.clear()

    world.dispatch(lane="cpu")

    assert sent(world) == [(shard, slot) for slot, shard in enumerate(range(1, 6))]


def test_a_higher_priority_widens_the_window_at_once_and_a_lower_one_lets_it_run_dry() -> None:
    world = many()

    prioritizer(world).set(TENANT, "job-1", 9)
    widened = len(world.infer_queue.sent)
    prioritizer(world).set(TENANT, "job-1", 0)
    for _ in range(9):
        run_next(world)

    assert (widened, len(world.infer_queue.sent)) == (10, 1 + 9 - 9 + 1)
    run_cpu(world)
    assert (job(world).state, job(world).done, job(world).priority) == (JobState.SUCCEEDED, 80, 0)


def test_the_priority_of_a_job_on_the_gpu_lane_or_that_has_ended_is_fixed() -> None:
    gpu = ready()
    gpu.dispatch(lane="gpu")
    ended = many(1)
    run_cpu(ended)

    with pytest.raises(PriorityFixed):
        prioritizer(gpu).set(TENANT, "job-1", 9)
    with pytest.raises(JobHasEnded):
        prioritizer(ended).set(TENANT, "job-1", 9)
    with pytest.raises(JobNotFound):
        prioritizer(ended).set("other", "job-1", 9)


def test_a_cancelled_job_keeps_what_it_has_and_starts_nothing_more() -> None:
    world, batches = many(), FakeQueue()
    for _ in range(3):
        run_next(world)

    cancelled = canceller(world, batches).cancel(TENANT, "job-1")
    for body, attributes in batches.sent:
        world.dispatcher().dispatch(attributes["tenant"], body.decode())
    left = len(world.infer_queue.sent)
    while world.infer_queue.sent:
        message = msgspec.json.decode(world.infer_queue.sent.pop(0)[0], type=InferMessage)
        world.advancer.after_shard(TENANT, "job-1", slot=message.slot)

    manifest = json.loads(world.data.objects[f"{JOB}/manifest.json"])
    assert cancelled.state is JobState.CANCELLED
    assert left == 6
    assert (job(world).state, job(world).done, job(world).failed) == (JobState.CANCELLED, 6, 0)
    assert (manifest["state"], len(manifest["parts"]), manifest["done"]) == ("CANCELLED", 3, 6)
    assert not job(world).is_open
    assert [message["data"]["state"] for _, message in world.notifier.announced] == ["CANCELLED"]


def test_cancelling_stops_the_children_of_a_gpu_job() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    world.shards().run(TENANT, "job-1", 0)

    canceller(world, FakeQueue()).cancel(TENANT, "job-1")
    track(world, "FAILED")
    sweep(world, after_s=121)

    assert list(world.runner.terminated) == [job(world).batch_job_id]
    assert (job(world).state, job(world).done) == (JobState.CANCELLED, 2)
    assert not job(world).is_open


def test_cancelling_again_is_fine_and_an_ended_job_cannot_be_cancelled() -> None:
    world = many(1)
    canceller(world, FakeQueue()).cancel(TENANT, "job-1")
    ended = many(1)
    run_cpu(ended)

    assert canceller(world, FakeQueue()).cancel(TENANT, "job-1").state is JobState.CANCELLED
    with pytest.raises(JobHasEnded):
        canceller(ended, FakeQueue()).cancel(TENANT, "job-1")
    with pytest.raises(JobNotFound):
        canceller(ended, FakeQueue()).cancel("other", "job-1")


def test_a_job_that_is_cancelled_before_it_is_planned_ends_without_results() -> None:
    world, batches = ready(), FakeQueue()
    submitter(world, batches).submit(TENANT, request())

    canceller(world, batches).cancel(TENANT, "job-1")
    for body, attributes in batches.sent:
        world.dispatcher().dispatch(attributes["tenant"], body.decode())

    assert (job(world).state, job(world).is_open) == (JobState.CANCELLED, False)
    assert not [key for key in world.data.objects if key.startswith(JOB)]


def test_a_deadline_in_the_past_is_refused_at_every_door() -> None:
    world = ready()
    past = datetime.fromtimestamp(world.clock.epoch_s() - 1, UTC)

    with pytest.raises(DeadlineExceeded) as refusal:
        submitter(world).submit(TENANT, request(deadline=past))
    world.dispatch(deadline=past)

    assert refusal.value.field == "deadline"
    assert (job(world).state, job(world).error["code"]) == (JobState.FAILED, "deadline_exceeded")


@pytest.mark.parametrize("ended_by", ["next shard", "sweep"])
def test_when_the_deadline_passes_the_job_ends_with_what_it_has(ended_by: str) -> None:
    world = many(10, deadline=in_an_hour(ready()))
    for _ in range(2):
        run_next(world)

    world.clock.advance(3600)
    run_next(world) if ended_by == "next shard" else sweep(world)

    errors = decode_lines(world.data.objects[f"{JOB}/errors.jsonl"])
    done = 6 if ended_by == "next shard" else 4
    assert (job(world).state, job(world).done, job(world).failed) == (JobState.PARTIAL, done, 20 - done)
    assert {line["code"] for line in errors} == {"deadline_exceeded"}
    assert [line["id"] for line in errors] == [f"i{number}" for number in range(done, 20)]


def test_a_planned_job_that_is_dispatched_again_after_its_deadline_keeps_what_it_has() -> None:
    world = many(10, deadline=in_an_hour(ready()))
    run_next(world)
    asked = job(world).request
    world.clock.advance(3600)

    world.dispatcher().dispatch(TENANT, asked)

    assert (job(world).state, job(world).done, job(world).failed) == (JobState.PARTIAL, 2, 18)


@pytest.mark.parametrize("lane", ["cpu", "gpu"])
def test_a_job_that_is_cancelled_while_it_is_planned_starts_nothing(lane: str) -> None:
    world = ready()
    upload = world.data.upload

    def cancel_and_upload(*args: object, **kwargs: object) -> None:
        upload(*args, **kwargs)
        canceller(world, FakeQueue()).cancel(TENANT, "job-1")

    world.data.upload = cancel_and_upload  # type: ignore[method-assign]
    world.dispatch(lane=lane)

    assert job(world).state is JobState.CANCELLED
    assert world.infer_queue.sent == []
    assert world.runner.submitted == {}


def test_the_deadline_stops_a_gpu_job() -> None:
    world = ready()
    world.dispatch(lane="gpu", deadline=in_an_hour(world))
    world.clock.advance(3600)

    sweep(world)

    assert list(world.runner.terminated.values()) == ["lambent: deadline"]
    assert (job(world).state, job(world).failed) == (JobState.FAILED, 5)


def test_what_failed_is_retried_on_the_same_version_by_one_job_however_often_it_is_asked_for() -> None:
    world, batches = ready(picture(0), b"bad", picture(255), b"bad"), FakeQueue()
    world.dispatch(lane="cpu", label="live")
    run_cpu(world)
    world.publish()
    retries = RetryJobService(jobs=world.jobs, submit=submitter(world, batches))

    first, second = (retries.retry(TENANT, "job-1") for _ in range(2))

    asked = msgspec.json.decode(batches.sent[0][0], type=BatchRequest)
    assert first == second
    assert first.job_id == "job-1-retry"
    assert first.parent == "job-1"
    assert (asked.version, asked.label, asked.input) == ("1", None, BatchInput(failed_of="job-1"))


def test_a_retry_waits_for_the_end_and_needs_something_that_failed() -> None:
    world = many(1)
    retries = RetryJobService(jobs=world.jobs, submit=submitter(world))

    with pytest.raises(InProgress):
        retries.retry(TENANT, "job-1")
    run_cpu(world)
    with pytest.raises(NothingFailed):
        retries.retry(TENANT, "job-1")
    with pytest.raises(JobNotFound):
        retries.retry("other", "job-1")


def test_a_job_that_failed_before_it_was_planned_is_retried_as_it_was_asked() -> None:
    world = ready()
    world.dispatch(model="unknown")

    again = retry_request(job(world), job(world).request)

    assert again == replace_id(request(model="unknown"), "job-1-retry")


def replace_id(asked: BatchRequest, job_id: str) -> BatchRequest:
    return msgspec.structs.replace(asked, id=job_id)


@given(st.text("abc-", min_size=1, max_size=64), st.text("abc-", min_size=1, max_size=64))
def test_ids_of_retries_are_ids_and_differ_as_the_jobs_do(one: str, other: str) -> None:
    assert len(retry_id(one)) <= 64
    assert (retry_id(one) == retry_id(other)) is (one == other)


def test_outputs_of_an_older_job_of_the_same_id_are_never_taken_for_the_new_ones() -> None:
    world = many(1)
    run_cpu(world)
    world.jobs.jobs.clear()  # its record has expired, its objects lie there still
    world.clock.advance(60)

    world.dispatch(lane="cpu")

    assert (job(world).state, job(world).error["code"]) == (JobState.FAILED, "output_exists")


def test_shards_that_die_every_time_cost_their_own_items_and_no_others() -> None:
    world = many(20)
    deadly = {3, 11}

    for _ in range(40):
        while world.infer_queue.sent:
            message = msgspec.json.decode(world.infer_queue.sent[0][0], type=InferMessage)
            if message.shard in deadly:
                world.infer_queue.sent.pop(0)
            else:
                run_next(world)
        if job(world).state.is_terminal:
            break
        batches = FakeQueue()
        sweep(world, after_s=601, batches=batches)
        for body, attributes in batches.sent:
            world.dispatcher().dispatch(attributes["tenant"], body.decode())

    errors = decode_lines(world.data.objects[f"{JOB}/errors.jsonl"])
    assert (job(world).state, job(world).done) == (JobState.PARTIAL, 36)
    assert [line["id"] for line in errors] == ["i6", "i7", "i22", "i23"]
    assert {line["code"] for line in errors} == {"shard_failed"}


def test_when_all_slots_have_died_reviving_goes_on_with_shards_that_were_never_sent() -> None:
    world = many(20)
    world.infer_queue.sent.clear()
    batches = FakeQueue()

    sweep(world, after_s=61, batches=batches)
    for body, attributes in batches.sent:
        world.dispatcher().dispatch(attributes["tenant"], body.decode())
    run_cpu(world)

    assert (job(world).state, job(world).done) == (JobState.SUCCEEDED, 40)


def test_progress_after_a_revival_gives_the_sweep_its_patience_back() -> None:
    world = many(20)
    found = job(world)
    world.jobs.jobs[(TENANT, "job-1")] = replace(found, heals=3)
    world.clock.advance(1)
    run_next(world)
    world.infer_queue.sent.clear()  # its other shards' messages are lost
    batches = FakeQueue()

    sweep(world, after_s=61, batches=batches)

    assert (len(batches.sent), job(world).heals) == (1, 1)
