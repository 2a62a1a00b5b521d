"""``Prefer: respond-async``: what was accepted has one outcome, whatever dies on the way."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
from call_steps import Crash, call, drain, dying_at, later, only_job, published, runner
from job_steps import sweep

from builders import TENANT, World, picture
from lambent.contracts.calls import CallOutcome
from lambent.contracts.messages import CallMessage
from lambent.domain.job_states import JobState
from lambent.domain.preferences import is_later_wanted
from lambent.errors import (
    IdempotencyMismatch,
    ImageFormatUnsupported,
    InProgress,
    JobNotFound,
    ModelNotFound,
    RequestInvalid,
    ResultNotFound,
    TensorShapeMismatch,
    Unavailable,
)
from lambent.services.refer_answer import ReferAnswerService
from lambent.services.run_call import MOST_ATTEMPTS
from lambent.services.show_job import view
from lambent.services.show_result import ShowResultService
from lambent_toolkit.fakes import FakeLinkMaker


def results(world: World, *, max_answer_bytes: int = 10_000) -> ShowResultService:
    refer = ReferAnswerService(data=world.data, links=FakeLinkMaker())
    return ShowResultService(jobs=world.jobs, data=world.data, refer=refer, max_answer_bytes=max_answer_bytes)


def outcome(world: World) -> CallOutcome:
    job = only_job(world)
    return msgspec.json.decode(world.data.objects[f"jobs/{TENANT}/{job.job_id}/outcome.json"], type=CallOutcome)


@pytest.mark.parametrize(
    ("prefer", "is_wanted"),
    [
        ("respond-async", True),
        ("Respond-Async, wait=10", True),
        ("return=minimal , respond-async; foo=bar", True),
        ("wait=10", False),
        ("respond-asynchronously", False),
        ("", False),
    ],
)
def test_a_preference_is_read_as_the_rfc_says(prefer: str, is_wanted: bool) -> None:
    assert is_later_wanted(prefer) is is_wanted


def test_an_accepted_call_is_answered_as_the_door_would() -> None:
    world = published()

    job = later(world).accept(TENANT, call(), idempotency_key=None)
    drain(world)
    shown = results(world).show(TENANT, job.job_id)

    assert (job.state, job.version, job.total) == (JobState.QUEUED, 1, 1)
    assert (only_job(world).state, only_job(world).done, only_job(world).failed) == (JobState.SUCCEEDED, 1, 0)
    answer = msgspec.json.decode(shown.body)
    assert [entry["label"] for entry in answer["predictions"][0]["top"]] == ["bright", "dark"]
    assert (shown.stored.content_type, shown.stored.model) == ("application/json", "shade@1")
    assert view(only_job(world)).result == f"/jobs/{job.job_id}/result"
    assert [message["data"]["state"] for _, message in world.notifier.announced] == ["SUCCEEDED"]


def test_the_version_is_the_one_that_the_label_named_when_the_call_was_accepted() -> None:
    world = published()
    job = later(world).accept(TENANT, call(label="live"), idempotency_key=None)

    world.publish()
    drain(world)

    assert (job.version, results(world).show(TENANT, job.job_id).stored.model) == (1, "shade@1")


@pytest.mark.parametrize("choice", [{"version": "9"}, {"label": "beta"}])
def test_an_unknown_version_is_refused_and_leaves_nothing(choice: dict[str, str]) -> None:
    world = published()

    with pytest.raises(ModelNotFound):
        later(world).accept(TENANT, call(**choice), idempotency_key=None)

    assert (world.jobs.jobs, world.data.objects, world.infer_queue.sent) == ({}, {}, [])


def test_a_call_that_cannot_be_answered_ends_with_its_error_and_is_not_retried() -> None:
    world = published()
    job = later(world).accept(TENANT, call(b"not a picture"), idempotency_key=None)

    drain(world)

    assert (only_job(world).state, only_job(world).error["code"]) == (JobState.FAILED, "image_format_unsupported")
    assert (only_job(world).done, only_job(world).failed) == (0, 1)
    with pytest.raises(ImageFormatUnsupported):
        results(world).show(TENANT, job.job_id)


def test_a_store_that_is_away_brings_the_message_back() -> None:
    world = published()
    job = later(world).accept(TENANT, call(), idempotency_key=None)

    def fail(operation: str, key: str) -> None:
        if operation == "write_once":
            raise Unavailable("away")

    world.data.before_call = fail
    with pytest.raises(Unavailable):
        runner(world).run(TENANT, job.job_id)
    world.data.before_call = lambda _operation, _key: None
    runner(world).run(TENANT, job.job_id)

    assert only_job(world).state is JobState.SUCCEEDED


def killing_calls(world: World) -> list[None]:
    """Let the process die with each computing that follows; return a list that grows with each."""
    runner(world)  # loads nothing yet: golden vectors are not the call's
    begun: list[None] = []

    def die(inputs: object) -> None:
        begun.append(None)
        raise Crash

    world.loader.answer = die
    return begun


def test_a_call_is_begun_a_bounded_number_of_times_whichever_of_its_messages_comes() -> None:
    """Each process dies with it, and the sweep finds nothing waiting: it sends another message, with new receives."""
    world = published()
    job = later(world).accept(TENANT, call(), idempotency_key=None)
    begun = killing_calls(world)
    deaths = 0

    while not only_job(world).state.is_terminal and deaths < 4 * MOST_ATTEMPTS:
        world.infer_queue.sent.clear()
        for _ in range(4):
            try:
                runner(world).run(TENANT, job.job_id)
            except Crash:
                deaths += 1
        sweep(world)

    ended = only_job(world)
    assert (ended.state, ended.attempts, deaths, len(begun)) == (JobState.FAILED, *[MOST_ATTEMPTS] * 3)
    assert (ended.error["code"], ended.error["limit"]) == ("processing_gave_up", MOST_ATTEMPTS)
    assert outcome(world).error == ended.error


def test_an_outcome_that_was_written_counts_however_often_the_call_was_begun() -> None:
    world = published()
    job = later(world).accept(TENANT, call(), idempotency_key=None)
    runner(world)._decide(only_job(world))  # and died before it ended the job
    key = (TENANT, job.job_id)
    world.jobs.jobs[key] = replace(world.jobs.jobs[key], attempts=MOST_ATTEMPTS)

    runner(world).run(TENANT, job.job_id)

    assert only_job(world).state is JobState.SUCCEEDED


def test_a_message_of_no_job_comes_back_until_it_is_a_dead_letter() -> None:
    with pytest.raises(JobNotFound):
        runner(published()).run(TENANT, "call-unknown")


def test_the_same_message_twice_has_one_outcome() -> None:
    world = published()
    job = later(world).accept(TENANT, call(), idempotency_key=None)
    runner(world).run(TENANT, job.job_id)
    first = outcome(world)
    world.jobs.jobs[(TENANT, job.job_id)] = replace(only_job(world), state=JobState.RUNNING)

    runner(world).run(TENANT, job.job_id)

    assert outcome(world) == first
    assert only_job(world).state is JobState.SUCCEEDED


def test_two_workers_at_once_agree_on_the_outcome_that_was_written_first() -> None:
    world = published()
    job = later(world).accept(TENANT, call(), idempotency_key=None)
    write_once = world.data.write_once
    first = CallOutcome(error=TensorShapeMismatch("the other worker's").to_dict())

    def slip_in(key: str, body: bytes, *, content_type: str) -> bool:
        world.data.write_once = write_once  # type: ignore[method-assign]
        write_once(key, msgspec.json.encode(first), content_type=content_type)
        return write_once(key, body, content_type=content_type)

    world.data.write_once = slip_in  # type: ignore[method-assign]
    runner(world).run(TENANT, job.job_id)

    assert only_job(world).state is JobState.FAILED
    assert only_job(world).error["detail"] == "the other worker's"


@pytest.mark.parametrize("is_done_first", [False, True], ids=["before", "after"])
def test_no_crash_while_accepting_loses_what_was_accepted(is_done_first: bool) -> None:
    """Every crash point, not a sample: the process dies before or after each call of a port."""
    point = 0
    while True:
        point += 1
        world = published()
        has_answered = False
        with dying_at(world, point, is_done_first=is_done_first) as made:
            try:
                later(world).accept(TENANT, call(), idempotency_key="mine")
                has_answered = True
            except Crash:
                pass
        sweep(world, after_s=61)
        drain(world)

        states = [job.state for job in world.jobs.jobs.values()]
        # Recorded is done in the end; what was not recorded was never answered 202.
        assert states in ([JobState.SUCCEEDED], [] if not has_answered else None), made
        if has_answered:
            break
    assert {"get", "write", "create", "send"} <= set(made)
    assert point > len(made)


@pytest.mark.parametrize("is_done_first", [False, True], ids=["before", "after"])
def test_no_crash_while_answering_loses_or_doubles_the_outcome(is_done_first: bool) -> None:
    point = 0
    while True:
        point += 1
        world = published()
        job = later(world).accept(TENANT, call(), idempotency_key=None)
        has_run = False
        with dying_at(world, point, is_done_first=is_done_first) as made:
            try:
                runner(world).run(TENANT, job.job_id)
                has_run = True
            except Crash:
                pass
        drain(world)  # the queue delivers again
        sweep(world, after_s=61)

        assert only_job(world).state is JobState.SUCCEEDED, made
        assert len([key for key in world.data.objects if key.endswith("outcome.json")]) == 1
        assert (TENANT, job.job_id) in world.jobs.closed
        if has_run:
            break
    assert point > len(made)


def test_a_call_that_kills_its_worker_every_time_is_given_up_and_says_so() -> None:
    world = published()
    later(world).accept(TENANT, call(), idempotency_key=None)

    revived = 0
    for _ in range(16):
        world.infer_queue.sent.clear()  # in the dead-letter queue by now
        revived += sweep(world, after_s=60.5).enqueued

    assert revived == 3
    assert (only_job(world).state, only_job(world).failed) == (JobState.FAILED, 1)
    assert only_job(world).error["retryable"] is True


def test_the_same_key_and_request_is_the_same_job_with_the_same_answer() -> None:
    world = published()
    first = later(world).accept(TENANT, call(), idempotency_key="k-1")
    drain(world)
    world.publish()

    again = later(world).accept(TENANT, call(), idempotency_key="k-1")

    assert again == first
    assert world.infer_queue.sent == []


@pytest.mark.parametrize(
    "other", [call(picture(0)), call(version="1"), replace(call(), query={}), replace(call(), headers={})]
)
def test_the_same_key_with_another_request_is_refused_with_time_and_job(other) -> None:
    world = published()
    first = later(world).accept(TENANT, call(), idempotency_key="k-1")
    world.clock.advance(5)

    with pytest.raises(IdempotencyMismatch) as refusal:
        later(world).accept(TENANT, other, idempotency_key="k-1")

    assert refusal.value.got == {"first_used_at": first.created_at, "job_id": first.job_id}
    assert first.job_id in refusal.value.detail


def test_keys_are_of_one_tenant() -> None:
    world = published()
    later(world).accept(TENANT, call(), idempotency_key="k-1")

    other = later(world).accept("other", call(picture(0)), idempotency_key="k-1")

    assert other.tenant == "other"
    assert len(world.jobs.jobs) == 2


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ü", "tab\t", "nul\0"])
def test_a_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        later(published()).accept(TENANT, call(), idempotency_key=key)

    assert refusal.value.field == "Idempotency-Key"


def test_racers_with_one_key_make_one_job_and_get_one_answer() -> None:
    world = published()
    start = threading.Barrier(8)

    def race(_: int):
        start.wait()
        return later(world).accept(TENANT, call(), idempotency_key="k-1")

    with ThreadPoolExecutor(8) as racers:
        jobs = list(racers.map(race, range(8)))
    drain(world)

    assert all(job == jobs[0] for job in jobs)
    assert len(world.jobs.jobs) == 1
    assert len(world.notifier.announced) == 1


def test_racers_with_one_key_and_two_bodies_have_one_winner_whose_body_is_answered() -> None:
    world = published()
    create = world.jobs.create

    def slip_in(job) -> bool:
        world.jobs.create = create  # type: ignore[method-assign]
        later(world).accept(TENANT, call(picture(0)), idempotency_key="k-1")
        return create(job)

    world.jobs.create = slip_in  # type: ignore[method-assign]
    with pytest.raises(IdempotencyMismatch):
        later(world).accept(TENANT, call(picture(255)), idempotency_key="k-1")
    drain(world)

    body = results(world).show(TENANT, only_job(world).job_id).body
    assert msgspec.json.decode(body)["predictions"][0]["label"] == "dark"


def test_a_result_that_is_not_there_yet_is_in_progress_and_a_foreign_one_unknown() -> None:
    world = published()
    job = later(world).accept(TENANT, call(), idempotency_key=None)

    with pytest.raises(InProgress):
        results(world).show(TENANT, job.job_id)
    with pytest.raises(JobNotFound) as foreign:
        results(world).show("other", job.job_id)
    with pytest.raises(JobNotFound) as unknown:
        results(world).show(TENANT, "call-none")

    assert foreign.value.to_dict() == unknown.value.to_dict()


def test_a_large_result_is_a_link_and_an_expired_one_is_not_found() -> None:
    world = published()
    job = later(world).accept(TENANT, call(), idempotency_key=None)
    drain(world)

    shown = results(world, max_answer_bytes=10).show(TENANT, job.job_id)
    del world.data.objects[shown.stored.body_key]

    assert shown.body == b""
    assert shown.reference is not None
    assert shown.stored.body_key in shown.reference.url
    with pytest.raises(ResultNotFound):
        results(world).show(TENANT, job.job_id)


def test_a_batch_has_no_single_result() -> None:
    world = published()
    world.put_items(picture(0))
    world.dispatch()

    with pytest.raises(ResultNotFound, match="batch"):
        results(world).show(TENANT, "job-1")


def test_the_queue_carries_the_job_and_nothing_of_the_content() -> None:
    world = published()

    job = later(world).accept(TENANT, call(), idempotency_key=None)

    ((body, _),) = world.infer_queue.sent
    assert msgspec.json.decode(body, type=CallMessage) == CallMessage(tenant=TENANT, job_id=job.job_id)
