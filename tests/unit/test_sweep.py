"""What the sweep heals."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from call_steps import Crash, call, dying_at, later
from job_steps import JOB, job, ready, run_cpu, submitter, sweep

from builders import TENANT, request
from lambent.domain.job_states import JobState
from lambent.errors import Unavailable
from lambent.services.submit_job import SubmitService
from lambent.services.sweep import RETENTION_S
from lambent_toolkit.fakes import FakeQueue


def test_the_sweep_finishes_a_job_whose_last_event_was_lost() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    for shard in range(3):
        world.shards().run(TENANT, "job-1", shard)

    report = sweep(world)

    assert (report.looked_at, report.finished) == (1, 1)
    assert job(world).state is JobState.SUCCEEDED


def test_the_sweep_ends_a_job_that_the_container_service_says_has_failed() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    world.runner.statuses[job(world).batch_job_id] = "FAILED"

    sweep(world)

    assert job(world).state is JobState.FAILED


def test_the_sweep_leaves_a_running_job_alone() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    world.runner.statuses[job(world).batch_job_id] = "RUNNING"

    report = sweep(world)

    assert (report.finished, report.enqueued) == (0, 0)


def test_the_sweep_revives_a_lost_request_with_growing_pauses_and_then_gives_up() -> None:
    world = ready()
    SubmitService(data=world.data, jobs=world.jobs, queue=FakeQueue(), clock=world.clock, retention_days=30).submit(
        TENANT, request()
    )

    revived = [(minute, sweep(world, after_s=60.5).enqueued) for minute in range(1, 17)]

    # After 1 minute, 2 more, 4 more; after 8 more it is over.
    assert [minute for minute, count in revived if count] == [1, 3, 7]
    assert job(world).state is JobState.FAILED


def test_a_job_that_cannot_be_healed_does_not_keep_the_sweep_from_the_next() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    world.runner.statuses[job(world).batch_job_id] = "FAILED"
    del world.data.objects[f"{JOB}/plan.json"]
    world.dispatch(id="job-2", lane="cpu")
    for shard in range(3):
        world.shards().run(TENANT, "job-2", shard)
    errors: list = []

    report = sweep(world, errors=errors)

    assert (report.looked_at, report.finished, report.errors) == (2, 1, 1)
    assert [(found.job_id, error.code) for found, error in errors] == [("job-1", "source_gone")]
    assert world.jobs.get(TENANT, "job-2").state is JobState.SUCCEEDED


def test_an_announcement_that_was_lost_is_repeated_by_the_sweep() -> None:
    world = ready()
    announce = world.notifier.announce
    world.dispatch(lane="cpu")

    def fail(*_: object) -> None:
        raise Unavailable("away")

    world.notifier.announce = fail  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        run_cpu(world)
    world.notifier.announce = announce  # type: ignore[method-assign]
    ended = job(world).state
    sweep(world)
    sweep(world)

    assert ended is JobState.SUCCEEDED
    assert len(world.notifier.announced) == 1


@pytest.mark.parametrize("is_done_first", [False, True], ids=["before", "after"])
def test_no_crash_while_submitting_loses_what_was_accepted(is_done_first: bool) -> None:
    """Every crash point, not a sample: the process dies before or after each call of a port."""
    point = 0
    while True:
        point += 1
        world = ready()
        has_answered = False
        with dying_at(world, point, is_done_first=is_done_first) as made:
            try:
                submitter(world, world.infer_queue).submit(TENANT, request(), idempotency_key="k-1")
                has_answered = True
            except Crash:
                pass
        is_sent = bool(world.infer_queue.sent)
        report = sweep(world)

        # A job that was answered 202, or only recorded, is on the queue now or was sent again.
        assert len(world.jobs.jobs) == 1 or not has_answered, made
        assert is_sent or report.enqueued == len(world.jobs.jobs), made
        if has_answered:
            break
    assert {"claim", "create", "send"} <= set(made)
    assert point > len(made)


def waiting_batch() -> tuple:
    world = ready()
    submitter(world, world.batch_queue).submit(TENANT, request())
    return world, world.batch_queue


def waiting_call() -> tuple:
    world = ready()
    later(world).accept(TENANT, call(), idempotency_key=None)
    return world, world.infer_queue


def waiting_shards() -> tuple:
    world = ready()
    world.dispatch(lane="cpu")
    return world, world.infer_queue


@pytest.mark.parametrize("make", [waiting_batch, waiting_call, waiting_shards])
def test_what_waits_in_a_queue_is_neither_sent_again_nor_failed_for_as_long_as_queues_keep_messages(make) -> None:
    world, queue = make()
    (before,) = world.jobs.jobs.values()
    sent = list(queue.sent)
    hours = RETENTION_S // 3600 - 1

    enqueued = sum(sweep(world, after_s=3600, batches=world.batch_queue).enqueued for _ in range(hours))

    assert (enqueued, queue.sent) == (0, sent)
    assert list(world.jobs.jobs.values()) == [before]


@pytest.mark.parametrize("make", [waiting_batch, waiting_call, waiting_shards])
def test_what_waits_longer_than_queues_keep_messages_was_lost_and_is_sent_again(make) -> None:
    world, queue = make()
    queue.sent[:] = [(b"of somebody else", {})]

    report = sweep(world, after_s=RETENTION_S + 1, batches=world.batch_queue)

    assert report.enqueued == 1


@pytest.mark.parametrize("make", [waiting_batch, waiting_call, waiting_shards])
def test_what_was_lost_is_sent_again_once_nothing_waits_before_it(make) -> None:
    world, queue = make()
    queue.sent[:] = [(b"of somebody else", {})]
    early = sweep(world, batches=world.batch_queue).enqueued
    queue.sent.clear()

    assert (early, sweep(world, batches=world.batch_queue).enqueued) == (0, 1)


def test_the_deadline_of_a_job_that_waits_counts_all_the_same() -> None:
    world = ready()
    submitter(world, world.batch_queue).submit(
        TENANT, request(deadline=datetime.fromtimestamp(world.clock.epoch_s() + 60, UTC))
    )

    sweep(world, after_s=3600, batches=world.batch_queue)

    assert (job(world).state, job(world).error["code"]) == (JobState.FAILED, "deadline_exceeded")


def test_thousands_of_open_calls_cost_the_sweep_no_read_of_each() -> None:
    world = ready()
    for _ in range(2_000):
        later(world).accept(TENANT, call(), idempotency_key=None)
    made: list[str] = []
    get, depth = world.jobs.get, world.infer_queue.depth
    world.jobs.get = lambda *key: made.append("get") or get(*key)  # type: ignore[method-assign]
    world.infer_queue.depth = lambda: made.append("depth") or depth()  # type: ignore[method-assign]

    report = sweep(world)

    assert (report.looked_at, report.enqueued, made) == (2_000, 0, ["depth"])


def test_sweeps_that_do_not_come_to_an_end_reach_every_job_together() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    (planned,) = world.jobs.jobs.values()
    jobs = [replace(planned, job_id=f"job-{number}", batch_job_id=f"batch-{number}") for number in range(50)]
    world.jobs.jobs = {(TENANT, each.job_id): each for each in jobs}
    world.runner.statuses = {str(each.batch_job_id): "RUNNING" for each in jobs}
    asked: set[str] = set()
    status = world.runner.status

    def slow(batch_job_id: str) -> str | None:
        asked.add(batch_job_id)
        world.clock.advance(8)
        return status(batch_job_id)

    world.runner.status = slow  # type: ignore[method-assign]
    reports = [sweep(world, after_s=300) for _ in range(60)]

    assert {report.not_reached for report in reports} == {40}
    assert len(asked) == 50
