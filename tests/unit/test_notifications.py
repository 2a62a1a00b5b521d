"""The end of a job is told once in each way that was asked for, and its webhook is tried for a day."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from call_steps import call, drain, later, published
from hypothesis import given
from hypothesis import strategies as st
from job_steps import job, ready, run_cpu, sweep
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from builders import TENANT, World, picture, request
from lambent.contracts.notifications import JobEvent, JobNotification, NotifyMessage, WebhookTarget
from lambent.domain.job import WebhookOutcome
from lambent.domain.job_states import JobState
from lambent.domain.notification import job_event
from lambent.domain.webhook_schedule import FIRST_PAUSE_S, LONGEST_PAUSE_S, RETRIED_FOR_S, pause_s
from lambent.domain.webhook_signing import PREVIOUS_SIGNS_FOR_S, signed_headers
from lambent.errors import EnvelopeInvalid, InProgress, Unavailable
from lambent.ports import WebhookAnswer
from lambent.services.deliver_webhook import DeliverWebhookService, Delivery
from lambent.services.show_job import view
from lambent.services.webhook_secret import WebhookSecretService
from lambent_toolkit.fakes import FakeSecretStore, FakeWebhookSender

URL = "https://hooks.example.com/lambent?a=b"


def now_s() -> float:
    """Return the time, which the standard's package compares with: it takes what is at most five minutes old."""
    return datetime.now(tz=UTC).timestamp()


MESSAGE = msgspec.json.encode(NotifyMessage(tenant=TENANT, job_id="job-1")).decode()


def asking(**changes: Any) -> JobNotification:
    return JobNotification(**{"webhook": WebhookTarget(url=URL), **changes})


def ended(**changes: Any) -> World:
    """Return a world in which job-1 has ended as PARTIAL: two of three items."""
    world = ready(picture(0), b"not an image", picture(255))
    world.clock.at_s = now_s()
    world.dispatch(lane="cpu", **changes)
    run_cpu(world)
    return world


class Deliverer:
    """The delivery of a world's webhooks to a receiver that answers as it is told."""

    def __init__(self, world: World, *answers: WebhookAnswer, trusted: frozenset[str] = frozenset()) -> None:
        self.secrets = FakeSecretStore()
        self.secret_service = WebhookSecretService(self.secrets, world.clock)
        self.sender = FakeWebhookSender(list(answers))
        self.service = DeliverWebhookService(
            jobs=world.jobs,
            secrets=self.secret_service,
            sender=self.sender,
            clock=world.clock,
            trusted_hosts=trusted,
            jitter=lambda: 0.0,
        )

    def deliver(self, attempt: int = 1, body: str = MESSAGE) -> Delivery | None:
        return self.service.deliver(body, attempt=attempt)


# ---- the event


def test_the_event_says_what_became_of_the_job_and_nothing_of_its_tenant() -> None:
    world = ended()

    event = job_event(job(world))

    assert msgspec.to_builtins(event) == {
        "schema_version": 1,
        "id": event.id,
        "type": "lambent.job.partial",
        "timestamp": job(world).updated_at,
        "data": {
            "job_id": "job-1",
            "kind": "batch",
            "state": "PARTIAL",
            "model": "shade",
            "version": "1",
            "lane": "cpu",
            "total": 3,
            "done": 2,
            "failed": 1,
            "created_at": job(world).created_at,
            "ended_at": job(world).updated_at,
            "results": "/jobs/job-1/results",
        },
    }
    assert TENANT not in msgspec.json.encode(event).decode()


def test_an_event_s_id_is_the_same_however_often_it_is_told_and_another_for_another_job_or_state() -> None:
    first = job(ended())
    others = [
        replace(first, tenant="other"),
        replace(first, job_id="job-2"),
        replace(first, state=JobState.FAILED),
        replace(first, created_at="2026-01-01T00:00:00.000Z"),
    ]

    ids = {job_event(each).id for each in (first, *others)}

    assert job_event(first) == job_event(replace(first, webhook=WebhookOutcome("retrying", 3, 500, None, "now")))
    assert len(ids) == 5
    assert all(len(each) == 36 and each.startswith("evt_") for each in ids)


@pytest.mark.parametrize("state", [state for state in JobState if state.is_terminal])
def test_every_terminal_state_has_an_event_that_its_own_contract_reads(state: JobState) -> None:
    event = job_event(replace(job(ended()), state=state))

    assert msgspec.json.decode(msgspec.json.encode(event), type=JobEvent) == event
    assert event.type == f"lambent.job.{state.value.lower()}"


# ---- who is told


def test_operators_hear_of_every_job_with_its_tenant_by_both_ways() -> None:
    world = ended()

    ((subject, message),) = world.notifier.announced
    assert subject == "Lambent job job-1: PARTIAL"
    assert message == {**msgspec.to_builtins(job_event(job(world))), "tenant": TENANT}
    assert world.bus.announced == world.notifier.announced
    assert world.notify_queue.sent == []


def test_a_call_that_ended_is_told_too_with_the_path_of_its_answer() -> None:
    world = published()
    accepted = later(world).accept(TENANT, call(), idempotency_key=None)

    drain(world)

    ((_, message),) = world.bus.announced
    assert (message["data"]["kind"], message["data"]["results"]) == ("call", f"/jobs/{accepted.job_id}/result")
    assert world.notify_queue.sent == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, (1, 1, 1)),
        ({"webhook": None}, (1, 1, 0)),
        ({"sns": False}, (0, 1, 1)),
        ({"eventbridge": False}, (1, 0, 1)),
        ({"on": ["PARTIAL", "FAILED"]}, (1, 1, 1)),
        ({"on": ["SUCCEEDED"]}, (0, 0, 0)),
    ],
)
def test_a_request_says_who_is_told_of_what(changes: dict[str, Any], told: tuple[int, int, int]) -> None:
    world = ended(notification=asking(**changes))

    assert (len(world.notifier.announced), len(world.bus.announced), len(world.notify_queue.sent)) == told
    assert (TENANT, "job-1") in world.jobs.closed


@pytest.mark.parametrize("broken", ["notifier", "bus", "notify_queue"])
def test_one_way_that_is_broken_keeps_no_other_from_being_told_and_the_sweep_repeats_it(broken: str) -> None:
    world = ready()
    world.dispatch(lane="cpu", notification=asking())
    port = getattr(world, broken)
    name = "send" if broken == "notify_queue" else "announce"
    working = getattr(port, name)

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("away")

    setattr(port, name, fail)
    with pytest.raises(Unavailable):
        run_cpu(world)
    others = [len(told) for told in (world.notifier.announced, world.bus.announced, world.notify_queue.sent)]
    setattr(port, name, working)
    is_closed_before = (TENANT, "job-1") in world.jobs.closed
    sweep(world)

    assert sorted(others) == [0, 1, 1]
    assert not is_closed_before
    assert (TENANT, "job-1") in world.jobs.closed
    assert len({message["id"] for _, message in world.notifier.announced + world.bus.announced}) == 1
    assert {body for body, _ in world.notify_queue.sent} == {MESSAGE.encode()}
    # Those who had been told are not told again.
    assert [len(told) for told in (world.notifier.announced, world.bus.announced, world.notify_queue.sent)] == [1, 1, 1]


# ---- one attempt


def test_a_webhook_is_the_event_signed_so_that_the_standard_s_own_package_verifies_it() -> None:
    world = ended(notification=asking())
    receiver = Deliverer(world)

    delivery = receiver.deliver()

    ((address, body, headers),) = receiver.sender.requests
    secret = receiver.secret_service.secret(TENANT)
    verified = Webhook(secret.current).verify(body, headers)
    assert verified == msgspec.to_builtins(job_event(job(world)))
    assert (address.host, address.target) == ("hooks.example.com", "/lambent?a=b")
    assert (headers["webhook-id"], headers["Content-Type"]) == (verified["id"], "application/json")
    assert delivery == Delivery(TENANT, "job-1", WebhookOutcome("delivered", 1, 200, None, world.clock.now()))
    for changed in (body.replace(b"PARTIAL", b"SUCCEEDED"), body + b" "):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret.current).verify(changed, headers)


def test_two_webhooks_of_the_same_event_have_the_same_id_and_body_and_the_time_of_their_attempt() -> None:
    world = ended(notification=asking())
    receiver = Deliverer(world, WebhookAnswer(500), WebhookAnswer(200))

    receiver.deliver()
    world.clock.advance(20)
    receiver.deliver(2)

    (_, first, before), (_, second, after) = receiver.sender.requests
    assert (first, before["webhook-id"]) == (second, after["webhook-id"])
    assert int(after["webhook-timestamp"]) - int(before["webhook-timestamp"]) == 20
    assert before["webhook-signature"] != after["webhook-signature"]


def test_a_delivered_webhook_is_not_sent_again_when_its_message_comes_twice() -> None:
    world = ended(notification=asking())
    receiver = Deliverer(world)

    assert receiver.deliver() is not None
    assert receiver.deliver(2) is None
    assert len(receiver.sender.requests) == 1


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (WebhookAnswer(200), "delivered", None),
        (WebhookAnswer(202), "delivered", None),
        (WebhookAnswer(299), "delivered", None),
        (WebhookAnswer(301), "retrying", "The receiver redirects, which is not followed."),
        (WebhookAnswer(302), "retrying", "The receiver redirects, which is not followed."),
        (WebhookAnswer(308), "retrying", "The receiver redirects, which is not followed."),
        (WebhookAnswer(400), "retrying", "The receiver did not take it."),
        (WebhookAnswer(404), "retrying", "The receiver did not take it."),
        (WebhookAnswer(410), "given_up", "The receiver says that this address is gone."),
        (WebhookAnswer(429), "retrying", "The receiver did not take it."),
        (WebhookAnswer(503), "retrying", "The receiver did not take it."),
        (WebhookAnswer(None, "No connection."), "retrying", "No connection."),
    ],
)
def test_an_answer_has_its_consequence_and_stands_in_the_job(
    answer: WebhookAnswer, state: str, reason: str | None
) -> None:
    world = ended(notification=asking())

    delivery = Deliverer(world, answer).deliver()

    assert delivery is not None
    assert (delivery.outcome.state, delivery.outcome.last_error) == (state, reason)
    assert (delivery.pause_s is None) is (state != "retrying")
    assert msgspec.to_builtins(view(job(world)).notification) == {
        "webhook": {
            "state": state,
            "attempts": 1,
            "last_status": answer.status,
            "last_error": reason,
            "at": world.clock.now(),
        }
    }


def test_a_receiver_that_comes_back_after_hours_gets_its_webhook() -> None:
    world = ended(notification=asking())
    receiver = Deliverer(world, *[WebhookAnswer(None, "No connection.")] * 12)
    pauses = []

    for attempt in range(1, 14):
        delivery = receiver.deliver(attempt)
        assert delivery is not None
        if delivery.pause_s is not None:
            pauses.append(delivery.pause_s)
            world.clock.advance(delivery.pause_s)

    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert job(world).webhook == WebhookOutcome("delivered", 13, 200, None, world.clock.now())


def test_a_webhook_is_given_up_a_day_after_its_event_with_the_last_reason() -> None:
    world = ended(notification=asking())
    receiver = Deliverer(world, *[WebhookAnswer(500)] * 100)
    attempt, waited_s = 1, 0

    while (delivery := receiver.deliver(attempt)) is not None and delivery.pause_s is not None:
        world.clock.advance(delivery.pause_s)
        waited_s += delivery.pause_s
        attempt += 1

    assert waited_s == pytest.approx(RETRIED_FOR_S, abs=1)
    assert job(world).webhook == WebhookOutcome(
        "given_up", attempt, 500, "The receiver did not take it.", world.clock.now()
    )


def test_a_given_up_webhook_that_is_redriven_gets_one_more_attempt() -> None:
    world = ended(notification=asking())
    world.clock.advance(RETRIED_FOR_S + 3600)
    receiver = Deliverer(world, WebhookAnswer(500), WebhookAnswer(204))

    states = [delivery.outcome.state for delivery in (receiver.deliver(1), receiver.deliver(1)) if delivery]

    assert states == ["given_up", "delivered"]


def test_an_address_that_the_stack_no_longer_trusts_is_given_up_without_a_request() -> None:
    world = ready()
    world.clock.at_s = now_s()
    world.dispatcher().dispatch(TENANT, msgspec.json.encode(request(lane="cpu", notification=asking())).decode())
    run_cpu(world)
    local = replace(job(world), request=job(world).request.replace(URL, "http://localhost:8000/"))
    world.jobs.jobs[TENANT, "job-1"] = local
    receiver, trusting = Deliverer(world), Deliverer(world, trusted=frozenset({"localhost"}))

    refused, taken = receiver.deliver(), trusting.deliver()

    assert refused is not None
    assert taken is not None
    assert (refused.outcome.state, refused.pause_s, receiver.sender.requests) == ("given_up", None, [])
    assert taken.outcome.state == "delivered"


def test_a_job_that_asks_for_no_webhook_gets_none() -> None:
    receiver = Deliverer(ended())

    assert receiver.deliver() is None
    assert receiver.sender.requests == []


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "{}",
        '{"tenant": "acme"}',
        '{"schema_version": 2, "tenant": "acme", "job_id": "job-1"}',
        '{"tenant": "other", "job_id": "job-1"}',
        '{"tenant": "acme", "job_id": ""}',
        json.dumps({"tenant": "acme", "job_id": "j" * 2000}),
    ],
)
def test_a_message_of_no_ended_job_is_refused(body: str) -> None:
    with pytest.raises(EnvelopeInvalid):
        Deliverer(ended(notification=asking())).deliver(body=body)


def test_a_message_of_a_job_that_still_runs_is_refused() -> None:
    world = ready()
    world.dispatch(lane="cpu", notification=asking())

    with pytest.raises(EnvelopeInvalid):
        Deliverer(world).deliver()


# ---- when it is tried again


@given(attempt=st.integers(1, 200), age_s=st.floats(0, RETRIED_FOR_S - 1), jitter=st.floats(0, 1, exclude_max=True))
def test_pauses_double_up_to_two_hours_lie_in_their_second_half_and_end_with_the_day(
    attempt: int, age_s: float, jitter: float
) -> None:
    pause = pause_s(attempt, age_s=age_s, jitter=jitter)

    whole_s = min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
    assert pause is not None
    assert pause <= whole_s
    assert pause >= whole_s / 2 or pause == max(1, round(RETRIED_FOR_S - age_s))
    assert age_s + pause <= RETRIED_FOR_S + 1


@pytest.mark.parametrize("age_s", [RETRIED_FOR_S, RETRIED_FOR_S + 1, 10 * RETRIED_FOR_S])
def test_after_a_day_there_is_no_further_attempt(age_s: float) -> None:
    assert pause_s(1, age_s=age_s, jitter=0.5) is None


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_a_day_has_fewer_attempts_than_the_queue_s_receives(jitter: float) -> None:
    attempts, age_s = 1, 0.0
    while (pause := pause_s(attempts, age_s=age_s, jitter=jitter)) is not None:
        attempts, age_s = attempts + 1, age_s + pause

    assert 20 <= attempts <= 40  # maxReceiveCount in template.yaml is 100


# ---- secrets


def test_a_tenant_s_secret_is_made_when_it_is_first_needed_and_stays() -> None:
    service = WebhookSecretService(FakeSecretStore(), World().clock)

    first, again, other = service.secret(TENANT), service.secret(TENANT), service.secret("other")

    assert first == again
    assert other.current != first.current
    assert first.current.startswith("whsec_")
    assert service.view(first).previous_valid_until is None


def test_after_a_rotation_both_secrets_verify_for_a_day_and_then_the_new_one_alone() -> None:
    world = World()
    world.clock.at_s = now_s()
    service = WebhookSecretService(FakeSecretStore(), world.clock)
    old = service.secret(TENANT).current

    new = service.rotate(TENANT, by="ann")
    during = new.valid_at(world.clock.epoch_s())
    headers = signed_headers("evt_1", b"{}", secrets=during, now_s=world.clock.epoch_s())
    shown = service.view(new)
    world.clock.advance(PREVIOUS_SIGNS_FOR_S)
    after = service.secret(TENANT).valid_at(world.clock.epoch_s())

    assert (during, after) == ((new.current, old), (new.current,))
    for secret in (old, new.current):
        assert Webhook(secret).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(service.rotate("other", by="ann").current).verify(b"{}", headers)
    assert (shown.secret, shown.created_at) == (new.current, new.created_at)
    assert shown.previous_valid_until is not None
    assert service.view(service.secret(TENANT)).previous_valid_until is None


def test_two_who_need_the_first_secret_at_once_get_the_same() -> None:
    store, clock = FakeSecretStore(), World().clock
    first = WebhookSecretService(store, clock)

    def meanwhile(size: int) -> bytes:
        first.secret(TENANT)
        return bytes(size)

    second = WebhookSecretService(store, clock, draw=meanwhile)

    assert second.secret(TENANT) == first.secret(TENANT)


def test_of_two_rotations_at_once_one_is_told_to_try_again() -> None:
    store, clock = FakeSecretStore(), World().clock
    first = WebhookSecretService(store, clock)
    first.secret(TENANT)

    def meanwhile(size: int) -> bytes:
        first.rotate(TENANT, by="ann")
        return bytes(size)

    with pytest.raises(InProgress):
        WebhookSecretService(store, clock, draw=meanwhile).rotate(TENANT, by="ann")
    assert store.secrets[TENANT].revision == 2


def test_a_job_without_a_webhook_shows_none() -> None:
    assert view(job(ended())).notification is None


def test_the_event_of_the_documents_is_the_one_that_is_sent() -> None:
    readme = (Path(__file__).parents[2] / "functions/README.md").read_text()
    examples = re.findall(r"```json\n(.*?)```", readme, re.DOTALL)
    (example,) = (each for each in examples if "lambent.job." in each)
    ((_, sent),) = ended().notifier.announced

    shown = json.loads(example)

    assert (list(shown), list(shown["data"])) == (list(sent), list(sent["data"]))
    assert msgspec.json.decode(example, type=JobEvent, strict=True).type == sent["type"]


# ---- a function that dies


class Died(Exception):
    """The function's process is gone."""


@pytest.mark.parametrize("is_done_first", [False, True])
@pytest.mark.parametrize("point", range(6))
def test_a_function_that_dies_at_any_step_loses_no_webhook_and_repeats_only_the_same_event(
    point: int, is_done_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ended(notification=asking())
    receiver = Deliverer(world)
    calls: list[str] = []
    ports = ((world.jobs, ("get", "record_webhook")), (receiver.secrets, ("get", "put")), (receiver.sender, ("post",)))
    with monkeypatch.context() as dying:
        for port, names in ports:
            for name in names:
                dying.setattr(port, name, _dying(getattr(port, name), name, calls, point, is_done_first=is_done_first))
        with suppress(Died):
            receiver.deliver()

    receiver.deliver(2)  # SQS delivers again what was not deleted

    assert calls[:5] == ["get", "get", "put", "post", "record_webhook"][: len(calls)]
    assert job(world).webhook is not None
    assert job(world).webhook.state == "delivered"
    assert 1 <= len(receiver.sender.requests) <= 2
    assert len({headers["webhook-id"] for _, _, headers in receiver.sender.requests}) == 1


def _dying(call: Any, name: str, calls: list[str], point: int, *, is_done_first: bool) -> Any:
    def run(*arguments: Any, **named: Any) -> Any:
        is_last = len(calls) == point
        calls.append(name)
        if is_last and not is_done_first:
            raise Died
        answer = call(*arguments, **named)
        if is_last:
            raise Died
        return answer

    return run
