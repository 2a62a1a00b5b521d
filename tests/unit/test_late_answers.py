"""A call that is answered already when it becomes a job: what was computed is its outcome, and nothing is lost."""

from __future__ import annotations

import gzip
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from call_steps import call, drain, later, only_job, published, runner

from builders import TENANT, World
from lambent.contracts.calls import CallOutcome, StoredCall
from lambent.contracts.messages import CallMessage
from lambent.domain.call import Call, CallAnswer
from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.model import ModelRef, Target
from lambent.domain.preferences import read_wait_s
from lambent.errors import DeadlineExceeded, IdempotencyMismatch, Misconfigured, Unavailable
from lambent.runtime import late_answers
from lambent.runtime.held_work import Piece
from lambent.services.keep_answer import KeepAnswerService

COMPUTED = CallAnswer(b'{"computed": true}', "application/json", ModelRef("shade", 1), {"X": "y"})
AGAIN_IN_S = 120


def accepted(world: World, sent: Call | None = None, **more: Any) -> Job:
    options = {"target": None, "idempotency_key": None, "again_in_s": AGAIN_IN_S} | more
    return later(world).accept_running(TENANT, sent or call(), **options)


def keeper(world: World) -> KeepAnswerService:
    return KeepAnswerService(data=world.data, queue=world.infer_queue)


def outcome(world: World, job: Job) -> CallOutcome:
    return msgspec.json.decode(world.data.objects[f"jobs/{TENANT}/{job.job_id}/outcome.json"], type=CallOutcome)


def deliver_late(world: World) -> None:
    """Deliver what was to come later."""
    world.infer_queue.sent += [(body, {}) for body, _ in world.infer_queue.delayed]
    world.infer_queue.delayed.clear()
    drain(world)


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        ("wait=10", 10),
        ("WAIT = 7 ; foo", 7),
        ('handling=lenient, wait="3"', 3),
        ("wait=0", 0),
        ("wait=3, wait=9", 3),
        ("wait", None),
        ("wait=-1", None),
        ("wait=1e3", None),
        ("wait=٣", None),
        ("wait=9999999999", None),
        ("waiting=3", None),
        ("respond-async", None),
        ("", None),
    ],
)
def test_how_long_a_client_waits_is_read_as_the_rfc_says(prefer: str, wait_s: int | None) -> None:
    assert read_wait_s(prefer) == wait_s


def test_a_call_that_is_being_answered_is_a_running_job_whose_message_comes_later() -> None:
    world = published()

    told = accepted(world)

    job = only_job(world)
    assert (told.state, job.state, job.total) == (JobState.QUEUED, JobState.RUNNING, 1)
    assert world.infer_queue.sent == []
    ((body, delay_s),) = world.infer_queue.delayed
    assert msgspec.json.decode(body, type=CallMessage) == CallMessage(tenant=TENANT, job_id=job.job_id)
    assert delay_s == AGAIN_IN_S


def test_it_is_pinned_to_the_version_that_answers_wherever_the_label_points_meanwhile() -> None:
    world = published()
    world.publish()

    accepted(world, target=Target(ModelRef("shade", 1), is_canary=True))

    stored = msgspec.json.decode(only_job(world).request, type=StoredCall)
    assert (stored.model, stored.version, stored.is_canary) == ("shade", 1, True)


def test_what_was_computed_is_the_outcome_and_nobody_computes_again() -> None:
    world = published()
    accepted(world)
    job = only_job(world)

    keeper(world).keep(job, COMPUTED)
    drain(world)
    ended = only_job(world)
    deliver_late(world)

    answer = outcome(world, job).answer
    assert answer is not None
    assert world.data.objects[answer.body_key] == COMPUTED.body
    assert (answer.content_type, answer.model, answer.headers) == ("application/json", "shade@1", {"X": "y"})
    assert (ended.state, ended.done) == (JobState.SUCCEEDED, 1)
    assert only_job(world) == ended
    assert [message["data"]["state"] for _, message in world.notifier.announced] == ["SUCCEEDED"]


def test_an_answer_that_was_compressed_for_its_client_is_stored_as_it_is() -> None:
    world = published()
    accepted(world)
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "X": "y"}

    keeper(world).keep(only_job(world), replace(COMPUTED, body=gzip.compress(COMPUTED.body), headers=headers))

    answer = outcome(world, only_job(world)).answer
    assert answer is not None
    assert (world.data.objects[answer.body_key], answer.headers) == (COMPUTED.body, {"X": "y"})


def test_an_error_that_the_model_met_is_the_outcome() -> None:
    world = published()
    accepted(world)

    keeper(world).fail(only_job(world), DeadlineExceeded("The model did not answer within 112 s.", limit=112.0))
    drain(world)

    job = only_job(world)
    assert (job.state, job.error["code"], job.error["retryable"]) == (JobState.FAILED, "deadline_exceeded", False)


def test_a_call_whose_process_has_died_is_answered_by_the_queue() -> None:
    world = published()
    accepted(world)

    deliver_late(world)

    job = only_job(world)
    assert job.state is JobState.SUCCEEDED
    assert outcome(world, job).answer is not None


def test_what_comes_after_the_queue_has_answered_changes_nothing() -> None:
    world = published()
    accepted(world)
    deliver_late(world)
    job, before = only_job(world), outcome(world, only_job(world))

    keeper(world).keep(job, COMPUTED)
    drain(world)

    assert (only_job(world), outcome(world, job)) == (job, before)


def test_racers_with_one_key_are_one_job_with_one_outcome() -> None:
    world = published()

    first, second = (accepted(world, idempotency_key="k") for _ in range(2))
    for answer in (COMPUTED, replace(COMPUTED, body=b'{"other": true}')):
        keeper(world).keep(only_job(world), answer)
    drain(world)

    assert first == second
    stored = outcome(world, only_job(world)).answer
    assert stored is not None
    assert world.data.objects[stored.body_key] == COMPUTED.body


def test_a_key_of_a_call_for_later_is_that_job() -> None:
    world = published()
    asked = later(world).accept(TENANT, call(), idempotency_key="k")

    assert accepted(world, idempotency_key="k") == asked
    with pytest.raises(IdempotencyMismatch):
        accepted(world, call(b"another body"), idempotency_key="k")


def test_a_cancelled_call_stays_so_whatever_is_computed() -> None:
    world = published()
    accepted(world)
    job = only_job(world)
    world.jobs.transition(TENANT, job.job_id, JobState.CANCELLED, allowed=[JobState.RUNNING], at=world.clock.now())

    keeper(world).keep(job, COMPUTED)
    assert runner(world).run(TENANT, job.job_id) is None

    assert only_job(world).state is JobState.CANCELLED


class Kept:
    """Stands for the service; remembers what became of a job."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    service = Kept()
    monkeypatch.setattr(late_answers, "keep_answer_service", lambda: service)
    return service


def given_up(piece: Piece[CallAnswer], job: Job | None) -> list[int]:
    """Let the invocation come to its end; return the codes that the process would have ended with."""
    codes: list[int] = []
    late_answers.give_up(piece, job, 112.0, codes.append)
    return codes


def left() -> Piece[CallAnswer]:
    """Return work that was begun, is left and never ends."""
    piece: Piece[CallAnswer] = Piece(lambda: COMPUTED)
    assert not piece.wait(0)
    return piece


def test_a_model_that_never_answers_ends_as_a_recorded_failure_and_with_its_process(kept: Kept) -> None:
    world = published()
    accepted(world)

    codes = given_up(left(), only_job(world))

    ((verb, job, error),) = kept.calls
    assert (verb, job) == ("fail", only_job(world))
    assert (error.code, error.limit, error.is_retryable) == ("deadline_exceeded", 112.0, False)
    assert codes == [75]


def test_a_model_that_nobody_waits_for_ends_with_its_process_all_the_same(kept: Kept) -> None:
    assert given_up(left(), None) == [75]
    assert kept.calls == []


def test_a_model_that_has_answered_is_not_given_up(kept: Kept) -> None:
    piece: Piece[CallAnswer] = Piece(lambda: COMPUTED)
    piece.work()

    assert given_up(piece, None) == []


@pytest.mark.parametrize("error", [Unavailable("silent"), Misconfigured("no right"), ValueError("a fault")])
def test_a_storage_that_fails_in_any_way_does_not_end_the_thread(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(
        late_answers, "keep_answer_service", lambda: SimpleNamespace(keep=fail, fail=fail, hand_over=fail)
    )
    world = published()
    accepted(world)

    late_answers.keep(only_job(world), lambda: COMPUTED)

    # What answers the call then is the message that comes later.
    deliver_late(world)
    assert only_job(world).state is JobState.SUCCEEDED
