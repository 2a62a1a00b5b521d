"""Every dead letter leaves a failure with its reason for its owner, once, and never over an outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import msgspec
import orjson
import pytest
from call_steps import call, later, only_job, published
from call_steps import drain as drain_calls
from job_steps import JOB, job, ready, run_cpu, submitter

from builders import TENANT, World, picture, request
from interleaving import Stepping, all_schedules
from lambent.contracts.messages import CallMessage, InferMessage, ShardMessage, TensorMessage
from lambent.contracts.notifications import WEBHOOK_GIVEN_UP, JobNotification, NotifyMessage, WebhookTarget
from lambent.domain.dead_letters import BATCH, INFER, JOB_EVENTS, NOTIFY, UPLOAD, Became, DeadLetter, DeathRecord
from lambent.domain.job_states import JobState
from lambent.errors import LambentError, Misconfigured, Unavailable
from lambent.services.fail_call import CallFailer
from lambent.services.fail_shard import ShardFailer
from lambent.services.fail_upload import UploadFailer
from lambent.services.infer import InferService
from lambent.services.ingest_batch import upload_job_id
from lambent.services.outcome import Source, write_failure, write_result
from lambent.services.read_dead_letters import DeadLetterReader, Listeners, ReadReport
from lambent.services.record_dead_letter import DeadLetterRecorder, Failers
from lambent.services.retry_job import RetryJobService
from lambent.services.track import TrackService
from lambent_toolkit.fakes import FakeDeadLetters, FakeDeathLedger

KEY = f"inbox/{TENANT}/shade/a.png"
STEM = f"results/{TENANT}/shade/a.png"
REASON = {"reason_code": "envelope_invalid", "reason": "The message is no work for this queue."}


def letter(queue: str, body: str, message_id: str = "m1", **attributes: str) -> DeadLetter:
    return DeadLetter(queue, message_id, body, attributes, f"receipt-{message_id}", 0.0, 5)


def recorder(world: World) -> DeadLetterRecorder:
    shards = ShardFailer(data=world.data, jobs=world.jobs, advancer=world.advancer, clock=world.clock)
    failers = Failers(
        uploads=UploadFailer(data=world.data, jobs=world.jobs),
        calls=CallFailer(data=world.data, finisher=world.finisher),
        shards=shards,
        finisher=world.finisher,
        track=TrackService(jobs=world.jobs, finisher=world.finisher, clock=world.clock),
    )
    return DeadLetterRecorder(
        data=world.data, jobs=world.jobs, failers=failers, clock=world.clock, bucket="fake-bucket", retention_days=30
    )


def put(world: World, body: bytes = b"bytes", key: str = KEY) -> str:
    """Upload an object; return its etag."""
    world.data.write(key, body, content_type="image/png")
    return str(world.data.etag(key))


def tensor(etag: str, key: str = KEY, **changes: Any) -> str:
    fields = {
        "tenant": TENANT, "model": "shade", "version": 1, "tensor_key": "work/t.npz", "source_key": key,
        "source_name": key.rpartition("/")[2], "result_stem": f"results/{key.removeprefix('inbox/')}",
        "source_etag": etag, **changes,
    }  # fmt: skip
    return msgspec.json.encode(TensorMessage(**fields)).decode()


def created(etag: str, *keys: str, bucket: str = "fake-bucket") -> str:
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": etag}},
        }
        for key in keys or (KEY,)
    ]
    return json.dumps({"Records": records})


def told(world: World, name: str) -> dict[str, Any]:
    return dict(orjson.loads(world.data.objects[name]))


def events(**detail: Any) -> str:
    return json.dumps(
        {
            "source": "aws.batch",
            "detail-type": "Batch Job State Change",
            "time": "2026-11-30T00:00:00Z",
            "detail": {"parameters": {"tenant": TENANT, "job_id": "job-1"}, **detail},
        }
    )


@pytest.mark.parametrize("queue", [INFER, UPLOAD])
def test_an_upload_without_outcome_gets_a_failure_with_the_reason_at_its_own_address(queue: str) -> None:
    world = World()
    etag = put(world)
    body = tensor(etag) if queue == INFER else created(etag)

    record = recorder(world).record(letter(queue, body))

    found = told(world, f"{STEM}.error.json")
    assert (record.became, record.code, record.tenant) == (Became.FAILED, "processing_gave_up", TENANT)
    assert (found["code"], found["source"], found["source_etag"]) == ("processing_gave_up", "a.png", etag)
    assert "operator" in found["detail"]


def test_a_letter_with_a_reason_tells_that_reason() -> None:
    world = World()
    etag = put(world)

    recorder(world).record(letter(INFER, tensor(etag), reason_code="image_corrupt", reason="Half of it is missing."))

    found = told(world, f"{STEM}.error.json")
    assert (found["code"], found["detail"]) == ("image_corrupt", "Half of it is missing.")


def test_a_reason_of_an_unknown_code_is_told_all_the_same() -> None:
    world = World()

    error = letter(INFER, "", reason_code="of_a_later_release", reason="Too new.").error

    assert (error.code, error.detail, error.is_final) == ("processing_gave_up", "Too new.", True)
    assert world.data.objects == {}


@pytest.mark.parametrize("outcome", ["result", "failure"])
def test_an_outcome_of_the_same_bytes_stays_as_it_is(outcome: str) -> None:
    world = World()
    etag = put(world)
    if outcome == "result":
        write_result(world.data, STEM, {"label": "dark"}, source=Source(KEY, etag), source_name="a.png")
    else:
        write_failure(world.data, STEM, LambentError("Said before."), source_name="a.png", source_etag=etag)
    before = dict(world.data.objects)

    record = recorder(world).record(letter(INFER, tensor(etag)))

    assert record.became is Became.SETTLED
    assert world.data.objects == before


@pytest.mark.parametrize("ending", [".json", ".error.json"])
def test_a_failure_replaces_the_outcome_of_an_earlier_upload_of_the_same_name(ending: str) -> None:
    world = World()
    world.data.objects[f"{STEM}{ending}"] = orjson.dumps({"source_etag": "of older bytes"})
    etag = put(world)

    record = recorder(world).record(letter(INFER, tensor(etag)))

    assert record.became is Became.FAILED
    assert told(world, f"{STEM}.error.json")["source_etag"] == etag
    assert f"{STEM}.json" not in world.data.objects


def test_a_letter_of_overwritten_bytes_leaves_the_newer_upload_alone() -> None:
    world = World()
    old = put(world, b"old")
    put(world, b"new")
    before = dict(world.data.objects)

    record = recorder(world).record(letter(INFER, tensor(old)))

    assert record.became is Became.SETTLED
    assert world.data.objects == before


STANDING = {
    "nothing": {},
    "an older result": {f"{STEM}.json": b'{"source_etag": "older"}'},
    "an older failure": {f"{STEM}.error.json": b'{"source_etag": "older"}'},
}


@pytest.mark.parametrize("standing", STANDING.values(), ids=STANDING)
def test_in_every_order_with_a_last_delivery_the_result_stays_alone(standing: dict[str, bytes]) -> None:
    """The message is dead, and its last delivery may still run: whichever call comes first, there is one outcome."""
    orders = 0
    for schedule in all_schedules(most_switches=2):
        world = World()
        etag = put(world)
        world.data.objects.update(standing)
        plain, world.data = world.data, Stepping(world.data, schedule)

        schedule.run([partial(record_until_done, world, etag), partial(end_until_done, world, etag)])

        outcomes = {key: orjson.loads(body)["source_etag"] for key, body in plain.objects.items() if key != KEY}
        assert outcomes == {f"{STEM}.json": etag}, schedule.trace
        orders += 1
    assert orders > 50


def test_in_every_order_with_a_newer_upload_its_result_stays_alone() -> None:
    for schedule in all_schedules(most_switches=2):
        world = World()
        old = put(world, b"old")
        plain, world.data = world.data, Stepping(world.data, schedule)

        def overwrite(world: World = world) -> None:
            end_until_done(world, put(world, b"new"))

        schedule.run([partial(record_until_done, world, old), overwrite])

        outcomes = {key: orjson.loads(body)["source_etag"] for key, body in plain.objects.items() if key != KEY}
        assert outcomes == {f"{STEM}.json": plain.etag(KEY)}, schedule.trace


def record_until_done(world: World, etag: str) -> None:
    until_done(lambda: recorder(world).record(letter(INFER, tensor(etag))))


def end_until_done(world: World, etag: str) -> None:
    source = Source(KEY, etag)
    until_done(lambda: write_result(world.data, STEM, {"label": "dark"}, source=source, source_name="a.png"))


def until_done(act: Callable[[], object]) -> None:
    for _ in range(5):
        try:
            act()
        except Unavailable:
            continue
        return
    raise AssertionError("each try was overtaken")


def count_calls() -> int:
    world, counted = World(), []
    etag = put(world)
    world.data.before_call = lambda operation, key: counted.append((operation, key))
    recorder(world).record(letter(INFER, tensor(etag)))
    return len(counted)


def at_call(world: World, moment: int, act: Callable[[], None]) -> None:
    """Do ``act`` before one of the calls of the data store, counted from 0."""
    calls = iter(range(10_000))

    def count(_operation: str, _key: str) -> None:
        if next(calls) == moment:
            world.data.before_call = lambda *_: None
            act()

    world.data.before_call = count


def test_an_upload_that_is_a_job_already_tells_of_its_job_instead_of_failing() -> None:
    world = World()
    world.publish()
    key = f"inbox/{TENANT}/shade/batch.jsonl"
    etag = put(world, b'{"id": "a", "uri": "s3://fake-bucket/inputs/acme/0.png"}', key)
    submitter(world).submit(TENANT, request(id=upload_job_id(key, etag)))

    record = recorder(world).record(letter(UPLOAD, created(etag, key)))

    assert record.became is Became.SETTLED
    assert told(world, f"results/{TENANT}/shade/batch.jsonl.json")["job"]["id"] == upload_job_id(key, etag)


def test_all_uploads_of_a_message_are_failed_and_those_of_others_are_left() -> None:
    world = World()
    etag, second = put(world), f"inbox/{TENANT}/shade/b.png"
    put(world, key=second)
    both, foreign = created(etag, KEY, second), created(etag, bucket="another")

    records = [recorder(world).record(letter(UPLOAD, body, str(index))) for index, body in enumerate((both, foreign))]

    assert [record.became for record in records] == [Became.FAILED, Became.NOBODYS]
    assert records[1].code == "event_foreign"
    errors = {key for key in world.data.objects if key.endswith(".error.json")}
    assert errors == {f"{STEM}.error.json", f"results/{TENANT}/shade/b.png.error.json"}


def test_a_result_after_a_redrive_replaces_the_failure() -> None:
    world = World()
    world.publish()
    etag = put(world, picture(255))
    world.data.objects["work/t.npz"] = npz(picture(255), world)
    recorder(world).record(letter(INFER, tensor(etag)))
    message = msgspec.json.decode(tensor(etag), type=InferMessage)

    for _ in range(2):  # a redrive that comes twice
        InferService(data=world.data, models=world.models()).infer(message)

    assert told(world, f"{STEM}.json")["source_etag"] == etag
    assert f"{STEM}.error.json" not in world.data.objects


def npz(body: bytes, world: World) -> bytes:
    from lambent.domain.model import ModelRef
    from lambent.services.ingest import _to_npz

    _, preprocessor = world.files.preprocessing(ModelRef("shade", 1), world.files.manifest(ModelRef("shade", 1)))
    return _to_npz(preprocessor.prepare(body))


def test_a_call_without_answer_ends_failed_and_tells_it_once() -> None:
    world = published()
    later(world).accept(TENANT, call(), idempotency_key=None)
    body, _ = world.infer_queue.sent.pop()

    records = [recorder(world).record(letter(INFER, body.decode())) for _ in range(2)]

    ended = only_job(world)
    assert [record.became for record in records] == [Became.FAILED, Became.SETTLED]
    assert (ended.state, ended.error["code"]) == (JobState.FAILED, "processing_gave_up")
    assert len(world.notifier.announced) == 1


def test_a_call_whose_answer_was_written_before_its_process_died_ends_with_that_answer() -> None:
    world = published()
    later(world).accept(TENANT, call(), idempotency_key=None)
    body, _ = world.infer_queue.sent[0]
    drain_calls(world)
    ended = only_job(world)
    world.jobs.jobs[(TENANT, ended.job_id)] = replace(ended, state=JobState.RUNNING)

    record = recorder(world).record(letter(INFER, body.decode()))

    assert record.became is Became.SETTLED
    assert only_job(world).state is JobState.SUCCEEDED


def test_a_redriven_call_that_has_failed_stays_failed() -> None:
    world = published()
    later(world).accept(TENANT, call(), idempotency_key=None)
    body, _ = world.infer_queue.sent[0]
    recorder(world).record(letter(INFER, body.decode()))

    drain_calls(world)

    assert only_job(world).state is JobState.FAILED
    assert len(world.notifier.announced) == 1


def shard_messages(world: World) -> list[ShardMessage]:
    sent = [msgspec.json.decode(body, type=InferMessage) for body, _ in world.infer_queue.sent]
    return [message for message in sent if isinstance(message, ShardMessage)]


def test_a_shard_fails_alone_and_its_job_goes_on_to_its_end() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    dead = world.infer_queue.sent.pop(1)[0]

    record = recorder(world).record(letter(INFER, dead.decode()))
    run_cpu(world)

    errors = [orjson.loads(line) for line in world.data.objects[f"{JOB}/errors.jsonl"].splitlines()]
    assert record.became is Became.FAILED
    assert job(world).state is JobState.PARTIAL
    assert [(line["id"], line["code"]) for line in errors] == [
        ("i2", "processing_gave_up"),
        ("i3", "processing_gave_up"),
    ]


def test_the_last_shard_ends_its_job() -> None:
    world = ready(picture(0))
    world.dispatch(lane="cpu")

    recorder(world).record(letter(INFER, world.infer_queue.sent.pop()[0].decode()))

    assert job(world).state is JobState.FAILED


def test_what_a_shard_had_finished_stays_finished() -> None:
    """Items in a checkpoint keep their results; only those that no attempt has reached fail."""
    world = ready()
    world.dispatcher(shard_items=5).dispatch(TENANT, msgspec.json.encode(request(lane="cpu")).decode())
    dead = world.infer_queue.sent.pop()[0]
    done: list[int] = []
    with pytest.raises(Unavailable):
        world.shards(batch_size=2).run(
            TENANT, "job-1", 0, on_progress=done.append, should_stop=lambda: done[-1:] == [2]
        )

    recorder(world).record(letter(INFER, dead.decode()))

    ended = job(world)
    assert ended.state is JobState.PARTIAL
    assert (ended.done, ended.failed) == (2, 3)


def test_a_shard_whose_part_is_written_is_only_reported() -> None:
    world = ready(picture(0), picture(255))
    world.dispatch(lane="cpu")
    (message,) = shard_messages(world)
    world.shards().run(TENANT, "job-1", message.shard)

    record = recorder(world).record(letter(INFER, world.infer_queue.sent.pop()[0].decode()))

    assert record.became is Became.SETTLED
    assert job(world).state is JobState.SUCCEEDED


@pytest.mark.parametrize("is_recorded", [True, False], ids=["accepted", "never recorded"])
def test_a_batch_request_becomes_a_failed_job_that_can_be_retried(is_recorded: bool) -> None:
    world = World()
    asked = request()
    if is_recorded:
        submitter(world).submit(TENANT, asked)

    records = [
        recorder(world).record(letter(BATCH, msgspec.json.encode(asked).decode(), tenant=TENANT)) for _ in range(2)
    ]

    assert [record.became for record in records] == [Became.FAILED, Became.SETTLED]
    assert (job(world).state, job(world).error["code"]) == (JobState.FAILED, "processing_gave_up")
    again = RetryJobService(jobs=world.jobs, submit=submitter(world)).retry(TENANT, "job-1")
    assert (again.job_id, again.state) == ("job-1-retry", JobState.QUEUED)


def test_a_redriven_request_of_a_failed_job_startsnullcontext() -> None:
    world = ready()
    body = msgspec.json.encode(request()).decode()
    recorder(world).record(letter(BATCH, body, tenant=TENANT))

    world.dispatcher().dispatch(TENANT, body)

    assert job(world).state is JobState.FAILED
    assert world.infer_queue.sent == []


def test_a_batch_that_runs_is_left_to_its_own_messages() -> None:
    world = ready()
    world.dispatch(lane="cpu")

    record = recorder(world).record(letter(BATCH, msgspec.json.encode(request(lane="cpu")).decode(), tenant=TENANT))
    run_cpu(world)

    assert record.became is Became.GOES_ON
    assert job(world).state is JobState.SUCCEEDED


@pytest.mark.parametrize("body", ["{", '{"schema_version": 1, "id": "../x"}', "[]"])
def test_a_request_that_cannot_be_read_is_a_failed_job_named_by_its_message(body: str) -> None:
    world = World()

    record = recorder(world).record(letter(BATCH, body, "0a-1b", tenant=TENANT, **REASON))

    found = world.jobs.get(TENANT, "dead-0a-1b")
    assert record.became is Became.FAILED
    assert found is not None
    assert (found.state, found.error["code"]) == (JobState.FAILED, "envelope_invalid")


def test_a_request_under_an_id_of_another_one_fails_beside_it() -> None:
    world = World()
    submitter(world).submit(TENANT, request())
    other = msgspec.json.encode(request(model="other")).decode()

    recorder(world).record(
        letter(BATCH, other, "0a-1b", tenant=TENANT, reason_code="job_id_reused", reason="Choose a new id.")
    )

    failed = world.jobs.get(TENANT, "dead-0a-1b")
    assert job(world).state is JobState.QUEUED
    assert failed is not None
    assert (failed.model, failed.error["code"]) == ("other", "job_id_reused")


def ended_with_webhook(world: World) -> None:
    asked = JobNotification(webhook=WebhookTarget(url="https://example.com/hook"))
    world.finisher.fail(submitter(world).submit(TENANT, request(notification=asked)), LambentError("x"))


def test_a_webhook_without_end_is_given_up_with_the_reason() -> None:
    world = World()
    ended_with_webhook(world)
    body = msgspec.json.encode(NotifyMessage(tenant=TENANT, job_id="job-1")).decode()

    records = [recorder(world).record(letter(NOTIFY, body)) for _ in range(2)]

    assert [record.became for record in records] == [Became.FAILED, Became.SETTLED]
    assert job(world).webhook.state == WEBHOOK_GIVEN_UP


def test_an_event_of_aws_batch_that_its_function_failed_on_is_applied() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    for shard in range(3):
        world.shards().run(TENANT, "job-1", shard)
    body = events(jobId=job(world).batch_job_id, status="SUCCEEDED")

    record = recorder(world).record(letter(JOB_EVENTS, body))

    assert record.became is Became.SETTLED
    assert job(world).state is JobState.SUCCEEDED


def test_an_event_of_a_start_leaves_its_job_running() -> None:
    world = ready()
    world.dispatch(lane="gpu")

    record = recorder(world).record(letter(JOB_EVENTS, events(jobId=job(world).batch_job_id, status="RUNNING")))

    assert record.became is Became.GOES_ON
    assert job(world).state is JobState.RUNNING


NOBODYS = {
    "no JSON": (INFER, "{"),
    "no work of ours": (INFER, '{"kind": "tensor"}'),
    "a call of no job": (INFER, msgspec.json.encode(CallMessage(tenant=TENANT, job_id="none")).decode()),
    "a shard of no job": (INFER, msgspec.json.encode(ShardMessage(tenant=TENANT, job_id="none", shard=0)).decode()),
    "no event": (UPLOAD, '{"Records": 1}'),
    "a test event": (UPLOAD, '{"Event": "s3:TestEvent"}'),
    "no tenant": (BATCH, msgspec.json.encode(request()).decode()),
    "no webhook": (NOTIFY, "{}"),
    "a webhook of no job": (NOTIFY, msgspec.json.encode(NotifyMessage(tenant=TENANT, job_id="none")).decode()),
    "no event of AWS Batch": (JOB_EVENTS, "{}"),
    "an event of somebody's job": (JOB_EVENTS, events(jobId="b", status="FAILED", parameters={})),
    "an event of no job": (JOB_EVENTS, events(jobId="b", status="FAILED")),
}


@pytest.mark.parametrize(("queue", "body"), NOBODYS.values(), ids=NOBODYS)
def test_what_belongs_to_nobody_is_noted_and_changes_nothing(queue: str, body: str) -> None:
    world = World()

    record = recorder(world).record(letter(queue, body))

    assert record.became is Became.NOBODYS
    assert world.data.objects == {}
    assert world.jobs.jobs == {}


@pytest.mark.parametrize("kind", ["tensor", "call"])
def test_a_message_of_a_later_version_still_leaves_a_failure(kind: str) -> None:
    world = published()
    later(world).accept(TENANT, call(), idempotency_key=None)
    etag = put(world)
    body = tensor(etag) if kind == "tensor" else world.infer_queue.sent[0][0].decode()
    fields = {**json.loads(body), "schema_version": 9, "of_a_later_release": True}

    record = recorder(world).record(letter(INFER, json.dumps(fields), **REASON))

    assert (record.became, record.code) == (Became.FAILED, "envelope_invalid")


# ---- the pass over the queues


def reader(world: World, *queues: FakeDeadLetters, ledger: FakeDeathLedger) -> DeadLetterReader:
    return DeadLetterReader(queues=queues, ledger=ledger, recorder=recorder(world), clock=world.clock)


def read(found: DeadLetterReader, **options: Any) -> tuple[ReadReport, list[DeathRecord], list[Exception]]:
    records: list[DeathRecord] = []
    errors: list[Exception] = []
    told_to = Listeners(on_record=records.append, on_error=lambda _letter, error: errors.append(error))
    report = found.read(told=told_to, should_stop=options.get("should_stop", lambda: False))
    return report, records, errors


def dead_uploads(world: World, count: int) -> FakeDeadLetters:
    keys = [f"inbox/{TENANT}/shade/{number}.png" for number in range(count)]
    letters = [letter(INFER, tensor(put(world, key=key), key), f"m{number}") for number, key in enumerate(keys)]
    return FakeDeadLetters(INFER, letters)


def failures(world: World) -> set[str]:
    return {key for key in world.data.objects if key.endswith(".error.json")}


def test_a_pass_sees_every_message_though_a_receive_is_a_sample_and_shows_all_of_them_again() -> None:
    world, ledger = World(), FakeDeathLedger()
    queue = dead_uploads(world, 23)

    report, records, _ = read(reader(world, queue, ledger=ledger))

    assert (report.seen, report.recorded, report.is_complete) == (23, 23, True)
    assert len(records) == len(failures(world)) == 23
    assert queue.depth().waiting == 23


def test_the_next_pass_records_only_what_is_new() -> None:
    world, ledger = World(), FakeDeathLedger()
    queue = dead_uploads(world, 5)
    read(reader(world, queue, ledger=ledger))
    queue.letters.append(letter(INFER, tensor(put(world)), "new"))
    world.data.objects = {key: body for key, body in world.data.objects.items() if not key.endswith("0.png.error.json")}

    report, records, _ = read(reader(world, queue, ledger=ledger))

    # An owner may delete a failure: it is told once.
    assert (report.seen, report.recorded) == (6, 1)
    assert [record.message_id for record in records] == ["new"]


def test_passes_that_are_cut_off_go_on_where_the_one_before_stopped() -> None:
    """Whatever a receive samples, and however short the passes: the time for which it stays hidden outlasts them."""
    seed = 20261130
    chance, world, ledger = Random(seed), World(), FakeDeathLedger()
    queue = dead_uploads(world, 40)
    found = reader(world, queue, ledger=ledger)
    passes = 0

    while queue.depth().waiting:
        left = iter([False] * chance.randint(1, 4))
        report, _, _ = read(found, should_stop=partial(next, left, True))
        passes += 1
        if report.is_complete:
            break

    assert passes > 1, seed
    assert len(failures(world)) == len(ledger.records) == 40, seed


def test_an_empty_queue_costs_one_question() -> None:
    class Silent(FakeDeadLetters):
        def receive(self, *, hold_s: int) -> list[DeadLetter]:
            raise AssertionError(f"nothing is visible there to be held for {hold_s} s")

    report, _, _ = read(reader(World(), Silent(), ledger=FakeDeathLedger()))

    assert report == ReadReport()


@pytest.mark.parametrize("fault", [Unavailable("away"), Misconfigured("no right"), ValueError("a bug")])
def test_a_message_that_cannot_be_recorded_is_told_and_keeps_no_other_from_it(fault: Exception) -> None:
    world, ledger = World(), FakeDeathLedger()
    queue = dead_uploads(world, 4)

    def fail(_operation: str, key: str) -> None:
        if key.endswith("2.png.error.json"):
            raise fault

    world.data.before_call = fail
    report, _, errors = read(reader(world, queue, ledger=ledger))
    world.data.before_call = lambda *_: None
    second, _, _ = read(reader(world, queue, ledger=ledger))

    assert (report.recorded, report.unrecorded, errors) == (3, 1, [fault])
    assert (second.recorded, second.unrecorded) == (1, 0)
    assert len(failures(world)) == 4


class Died(BaseException):
    """The process dies here: nothing that the code may catch."""


def die() -> None:
    raise Died


def test_a_crash_at_any_call_leaves_a_letter_to_the_next_pass_with_one_outcome() -> None:
    for moment in range(count_calls()):
        world, ledger = World(), FakeDeathLedger()
        queue = dead_uploads(world, 1)
        at_call(world, moment, die)

        with pytest.raises(Died):
            read(reader(world, queue, ledger=ledger))
        queue.hidden.clear()  # as its time runs out
        read(reader(world, queue, ledger=ledger))

        assert len(failures(world)) == len(ledger.records) == 1, moment
