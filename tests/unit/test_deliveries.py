"""Records of queues by how often they were received: which are tried apart, and what the last receive leaves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from call_steps import call, later, only_job, published, runner

from builders import TENANT, World, picture, request
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.messages import TensorMessage
from lambent.domain.job_states import JobState
from lambent.errors import (
    EnvelopeInvalid,
    Interrupted,
    LambentError,
    ProcessingCrashed,
    ProcessingGaveUp,
    SourceEmpty,
    Unavailable,
)
from lambent.runtime.deliveries import Delivery, StaysInQueue
from lambent.runtime.record_time import RESERVE_S, RecordTime
from lambent.runtime.records import handle_each, process_records
from lambent.services.infer import InferService
from lambent.services.ingest import IngestService, Upload
from lambent_toolkit.fakes import FakeQueue

MAX_RECEIVES = 5
CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
GAVE_UP = ProcessingGaveUp("It was given out 5 times.", limit=5)


def event(*receives: int) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(number), "body": f"b{number}", "eventSource": "aws:sqs",
             "attributes": {"ApproximateReceiveCount": str(count)}}
            for number, count in enumerate(receives)
        ]
    }  # fmt: skip


class Run:
    """One event given to a handler, and what came of it."""

    def __init__(self, handle: Callable[[Delivery], LambentError | None], *receives: int) -> None:
        self.dead, self.deliveries = FakeQueue(), list[Delivery]()

        def noted(delivery: Delivery) -> LambentError | None:
            self.deliveries.append(delivery)
            return handle(delivery)

        answer = process_records(event(*receives), CONTEXT, noted, lambda: self.dead, max_receives=lambda: MAX_RECEIVES)
        self.failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
        self.reasons = {body.decode(): attributes["reason_code"] for body, attributes in self.dead.sent}


def raising(error: Exception, recorded: list[LambentError] | None = None) -> Callable[[Delivery], None]:
    def handle(delivery: Delivery) -> None:
        with delivery.giving_up_last((recorded if recorded is not None else []).append):
            raise error

    return handle


def test_records_are_suspect_together_once_one_of_them_was_received_before() -> None:
    fresh, mixed = Run(lambda _: None, 1, 1), Run(lambda _: None, 1, 2, 5)

    assert [(each.is_suspect, each.is_last) for each in fresh.deliveries] == [(False, False)] * 2
    assert [(each.is_suspect, each.is_last) for each in mixed.deliveries] == [
        (True, False),
        (True, False),
        (True, True),
    ]
    assert [each.receives for each in mixed.deliveries] == [1, 2, 5]


@pytest.mark.parametrize("error", [Unavailable("The data store did not answer."), KeyError("surprise")])
def test_what_fails_comes_back_until_the_last_receive_which_records_it_and_keeps_the_message(error: Exception) -> None:
    recorded: list[LambentError] = []

    before = Run(raising(error, recorded), 1, 2, 4)
    assert (before.failed, before.dead.sent, recorded) == (["0", "1", "2"], [], [])

    last = Run(raising(error, recorded), 5)
    assert (last.failed, last.reasons) == ([], {"b0": "processing_gave_up"})
    (told,) = recorded
    assert (told.code, told.limit, told.is_retryable) == ("processing_gave_up", 5, False)
    assert ("did not answer" in told.detail) is isinstance(error, Unavailable)


def test_a_failure_that_cannot_be_recorded_leaves_the_message_to_its_queue() -> None:
    def handle(delivery: Delivery) -> None:
        with delivery.giving_up_last(raise_unavailable):
            raise KeyError

    run = Run(handle, 5)

    assert (run.failed, run.dead.sent) == (["0"], [])


def raise_unavailable(_: LambentError) -> None:
    raise Unavailable("The data store did not answer.")


def test_what_belongs_to_nobody_and_what_waits_is_as_it_was_at_the_last_receive_too() -> None:
    recorded: list[LambentError] = []

    nobodys = Run(raising(EnvelopeInvalid("The message is no work for this queue."), recorded), 5)
    waits = Run(raising(StaysInQueue(), recorded), 5)

    assert (nobodys.failed, nobodys.reasons) == ([], {"b0": "envelope_invalid"})
    assert (waits.failed, waits.dead.sent, recorded) == (["0"], [], [])


@pytest.mark.parametrize(
    ("outcome", "reasons"),
    [
        (None, {}),
        (SourceEmpty("The upload is empty."), {}),
        (ProcessingCrashed("It died."), {"b0": "processing_crashed"}),
    ],
)
def test_of_recorded_failures_only_what_no_process_survives_is_kept_for_operators(
    outcome: LambentError | None, reasons: dict[str, str]
) -> None:
    run = Run(lambda _: outcome, 2)

    assert (run.failed, run.reasons) == ([], reasons)


def test_of_several_objects_in_a_message_each_is_handled_and_the_one_that_may_still_succeed_is_raised() -> None:
    handled: list[int] = []
    outcomes: dict[int, LambentError | None] = {
        0: EnvelopeInvalid("No upload."), 1: ProcessingCrashed("It died."), 2: Unavailable("Later."), 3: None
    }  # fmt: skip

    def handle(number: int) -> LambentError | None:
        handled.append(number)
        if (error := outcomes[number]) is not None and not isinstance(error, ProcessingCrashed):
            raise error
        return error

    with pytest.raises(Unavailable):
        handle_each([0, 1, 2, 3], handle)

    assert handled == [0, 1, 2, 3]
    assert handle_each([1, 3], handle) is outcomes[1]


def test_a_record_has_its_share_of_the_time_and_one_alone_has_all_but_what_its_outcome_needs() -> None:
    clock = SimpleNamespace(now_s=100.0)
    time = RecordTime(lambda: clock.now_s)

    time.begin(120_000)
    assert time.limit_s() == 120 - RESERVE_S
    time.begin(60_000, among=10)
    assert time.limit_s() == 20.0
    time.part(4)
    assert time.limit_s() == 17.0
    clock.now_s += 17.0
    with pytest.raises(Interrupted):
        time.limit_s()


@pytest.mark.parametrize("left_s", [20, 45, 105, 285])
@pytest.mark.parametrize("among", [1, 2, 5, 10, 60])
def test_shares_of_all_records_never_exceed_what_is_left(left_s: int, among: int) -> None:
    clock = SimpleNamespace(now_s=0.0)
    time, end_s = RecordTime(lambda: clock.now_s), left_s + RESERVE_S

    for left in range(among, 0, -1):
        time.begin(int((end_s - clock.now_s) * 1000), among=left)
        clock.now_s = max(clock.now_s, time._until_s)

    assert clock.now_s <= left_s + 0.1


def tensor_message(world: World) -> TensorMessage:
    key = f"inbox/{TENANT}/shade/a.png"
    world.data.write(key, picture(255), content_type="image/png")
    return TensorMessage(
        tenant=TENANT, model="shade", version=1, tensor_key="work/x", result_stem=f"results/{TENANT}/shade/a.png",
        source_key=key, source_name="a.png", source_etag=str(world.data.etag(key)),
    )  # fmt: skip


def test_an_upload_that_is_given_up_has_its_failure_unless_it_has_its_result() -> None:
    world = published()
    message = tensor_message(world)
    service, error = InferService(data=world.data, models=world.models()), f"{message.result_stem}.error.json"
    result = msgspec.json.encode({"source_etag": message.source_etag, "label": "bright"})

    service.give_up(message, GAVE_UP)
    assert msgspec.json.decode(world.data.objects[error])["code"] == "processing_gave_up"

    del world.data.objects[error]
    world.data.objects[f"{message.result_stem}.json"] = result
    service.give_up(message, GAVE_UP)
    assert (world.data.objects[f"{message.result_stem}.json"], error in world.data.objects) == (result, False)


def test_an_upload_that_could_not_be_ingested_has_its_failure() -> None:
    world = published()
    service = IngestService(
        data=world.data, grants=world.grants, resolver=world.resolver(), files=world.files, queue=world.infer_queue,
        batches=world.uploaded_batches, max_upload_bytes=1000,
    )  # fmt: skip

    service.give_up(Upload(f"inbox/{TENANT}/shade/a.png", "e"), GAVE_UP)

    failure = msgspec.json.decode(world.data.objects[f"results/{TENANT}/shade/a.png.error.json"])
    assert (failure["code"], failure["source_etag"]) == ("processing_gave_up", "e")


def test_a_call_that_is_given_up_ends_with_the_failure_unless_it_has_an_outcome() -> None:
    failed, answered = published(), published()
    later(failed).accept(TENANT, call(), idempotency_key=None)
    later(answered).accept(TENANT, call(), idempotency_key=None)
    runner(answered)._decide(only_job(answered))  # and died before it ended the job

    for world in (failed, answered):
        runner(world).give_up(TENANT, only_job(world).job_id, GAVE_UP)

    assert (only_job(failed).state, only_job(failed).error["code"]) == (JobState.FAILED, "processing_gave_up")
    assert only_job(answered).state is JobState.SUCCEEDED


def test_a_batch_that_is_given_up_fails_unless_it_was_planned() -> None:
    world = published()
    world.put_items(picture(0))
    body = msgspec.json.encode(request(lane="cpu")).decode()
    unread = msgspec.json.encode(
        request(id="unread", input=BatchInput(manifest_uri="s3://fake-bucket/inputs/x"))
    ).decode()
    service = world.dispatcher()
    service.dispatch(TENANT, body)

    assert (service.is_planned(TENANT, body), service.is_planned(TENANT, unread)) == (True, False)
    for each in (body, unread):
        service.give_up(TENANT, each, GAVE_UP)

    assert world.jobs.jobs[TENANT, "job-1"].state is JobState.PLANNED
    assert world.jobs.jobs[TENANT, "unread"].state is JobState.FAILED
