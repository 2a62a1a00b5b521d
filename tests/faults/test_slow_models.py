"""A model that takes longer than its door: 202 and a job by every protocol, and what was computed is the job's answer.

The door's patience is taken away, and the model waits for the test: nothing here takes its time.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from threading import Event
from typing import Any

import boto3
import msgspec
import pytest
from good_input import PAIR
from plane import INTERNAL, TENANT, Answer, Plane, Request

from builders import picture
from lambent.contracts.calls import CallOutcome, StoredCall
from lambent.errors import ImageCorrupt, Unavailable
from lambent.runtime.wiring import call_service

PATIENCE_S = 60.0
JSON = {"content-type": "application/json"}
PNG = {"content-type": "image/png"}
INSTANCES = {"instances": [{"left": [1, 2, 3], "right": [4, 5]}]}


def body(content: object) -> bytes:
    return json.dumps(content).encode()


def binary() -> tuple[bytes, dict[str, str]]:
    """Return the pair as binary tensors, with a binary answer."""
    left, right = struct.pack("<3f", 1, 2, 3), struct.pack("<2i", 4, 5)
    described = [
        {"name": "left", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": len(left)}},
        {"name": "right", "shape": [1, 2], "datatype": "INT32", "parameters": {"binary_data_size": len(right)}},
    ]
    head = body({"inputs": described, "outputs": [{"name": "sum", "parameters": {"binary_data": True}}]})
    return head + left + right, {"inference-header-content-length": str(len(head))}


CALLS = {
    "media": Request("POST", "/models/shade/predict", picture(255), PNG, query="top_k=2"),
    "media, compressed": Request("POST", "/models/shade/predict", picture(255), PNG | {"accept-encoding": "gzip"}),
    "OIP": Request("POST", "/v2/models/pair/infer", body(PAIR | {"id": "slow"}), JSON),
    "OIP, binary": Request("POST", "/v2/models/pair/infer", *binary()),
    "TFS": Request("POST", "/v1/models/pair:predict", body(INSTANCES), JSON),
}


class SlowModel:
    """Lets calls wait until the test says go; ``error`` is what they meet then.

    ``at_the_door`` is what calls were answered that did not have to wait.
    """

    def __init__(self, answer: Any, at_the_door: dict[str, Answer]) -> None:
        self._answer = answer
        self.at_the_door = at_the_door
        self.go = Event()
        self.error: Exception | None = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        assert self.go.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return self._answer(*arguments, **named)


@pytest.fixture
def slow(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowModel]:
    """Make every model slow, and its door impatient."""
    at_the_door = {name: plane.send(request) for name, request in CALLS.items()}
    model = SlowModel(call_service().answer, at_the_door)
    monkeypatch.setattr(call_service(), "answer", model)
    monkeypatch.setattr(plane.modules["PredictFunction"], "ANSWER_WITHIN_S", 0.0)
    received()
    yield model
    model.go.set()
    has_ended(plane)


def has_ended(plane: Plane) -> None:
    """Wait for all work that was begun."""
    assert plane.modules["PredictFunction"].work.begin(lambda: None).wait(PATIENCE_S)


def received() -> list[dict[str, Any]]:
    """Take all messages that are on the inference queue now."""
    sqs, messages = boto3.client("sqs"), []
    url = sqs.get_queue_url(QueueName="internal-inferqueue")["QueueUrl"]
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for each in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
            messages.append(json.loads(each["Body"]))
    return messages


def stored(key: str) -> bytes:
    return bytes(boto3.client("s3").get_object(Bucket=INTERNAL["DataBucket"], Key=key)["Body"].read())


def outcome(answer: Answer) -> CallOutcome:
    return msgspec.json.decode(stored(f"jobs/{TENANT}/{answer.json['id']}/outcome.json"), type=CallOutcome)


def job_of(plane: Plane, answer: Answer) -> dict[str, Any]:
    return plane.send(Request("GET", answer.headers["location"].removeprefix("/prod"))).json


@pytest.mark.parametrize("name", CALLS)
def test_it_is_answered_by_a_job_whose_outcome_is_what_was_computed(plane: Plane, slow: SlowModel, name: str) -> None:
    accepted = plane.send(CALLS[name])
    meanwhile, messages = job_of(plane, accepted), received()
    slow.go.set()
    has_ended(plane)
    kept = outcome(accepted).answer
    after = received()

    told = accepted.json
    assert (accepted.status, told["kind"], told["state"]) == (202, "call", "QUEUED")
    assert accepted.headers["location"].endswith(f"/jobs/{told['id']}")
    assert accepted.headers["retry-after"].isdigit()
    assert "preference-applied" not in accepted.headers
    assert meanwhile["state"] == "RUNNING"
    assert messages == []
    assert [message["job_id"] for message in after] == [told["id"]]
    assert kept is not None
    assert "Content-Encoding" not in kept.headers
    assert not plane.take_crashes()


@pytest.mark.parametrize("name", ["media", "OIP", "TFS"])
def test_the_jobs_answer_is_that_of_the_door(plane: Plane, slow: SlowModel, name: str) -> None:
    accepted = plane.send(CALLS[name])
    slow.go.set()
    has_ended(plane)
    kept = outcome(accepted).answer

    assert kept is not None
    assert json.loads(stored(kept.body_key)) == slow.at_the_door[name].json
    assert kept.model == accepted.headers["lambent-model"]


def test_the_call_is_stored_as_it_came(plane: Plane, slow: SlowModel) -> None:
    accepted = plane.send(CALLS["media"])

    rows = boto3.resource("dynamodb").Table(INTERNAL["Table"])
    row = rows.get_item(Key={"pk": f"JOB#{TENANT}#{accepted.json['id']}", "sk": "JOB"})["Item"]
    call = msgspec.json.decode(row["request"], type=StoredCall)
    assert (call.operation, call.model, call.version) == ("media_predict", "shade", 1)
    assert (call.query, call.headers["content-type"]) == ({"top_k": "2"}, "image/png")
    assert stored(call.body_key) == picture(255)


def test_an_error_that_it_meets_is_the_outcome(plane: Plane, slow: SlowModel) -> None:
    accepted = plane.send(CALLS["media"])
    slow.error = ImageCorrupt("The PNG image ends before its last pixel; send the whole file.", field="body")
    slow.go.set()
    has_ended(plane)

    error = outcome(accepted).error
    assert error is not None
    assert error["code"] == "image_corrupt"


@pytest.mark.parametrize("error", [Unavailable("The model store did not answer; try again."), ValueError("a fault")])
def test_what_is_no_outcome_is_left_to_the_queue(plane: Plane, slow: SlowModel, error: Exception) -> None:
    accepted = plane.send(CALLS["media"])
    slow.error = error
    slow.go.set()
    has_ended(plane)

    assert [message["job_id"] for message in received()] == [accepted.json["id"]]
    with pytest.raises(boto3.client("s3").exceptions.NoSuchKey):
        outcome(accepted)


def test_a_key_is_one_job_however_often_it_is_sent(plane: Plane, slow: SlowModel) -> None:
    keyed = Request("POST", "/models/shade/predict", picture(255), PNG | {"idempotency-key": "slow"})
    first = plane.send(keyed)
    slow.go.set()
    has_ended(plane)
    slow.go.clear()
    second = plane.send(keyed)
    other = plane.send(Request("POST", "/models/shade/predict", picture(0), PNG | {"idempotency-key": "slow"}))

    assert (first.status, second.status, second.json) == (202, 202, first.json)
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")


def test_a_key_without_the_scope_gets_no_job(plane: Plane, slow: SlowModel) -> None:
    refused = plane.send(Request("POST", "/models/shade/predict", picture(255), PNG, key="jobs-only"))

    assert (refused.status, refused.json["code"]) == (403, "forbidden_action")
    slow.go.set()
    has_ended(plane)
    assert received() == []


def test_a_client_that_says_how_long_it_waits_gets_an_error_and_no_job(plane: Plane, slow: SlowModel) -> None:
    waiting = Request("POST", "/models/shade/predict", picture(255), PNG | {"prefer": "wait=5"})

    refused = plane.send(waiting)
    slow.go.set()
    has_ended(plane)

    assert (refused.status, refused.json["code"], refused.json["field"]) == (422, "deadline_exceeded", "Prefer")
    assert not refused.json["retryable"]
    assert received() == []


def test_what_is_no_prediction_is_told_to_come_again(
    plane: Plane, slow: SlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Event()
    monkeypatch.setattr("answers.await_preload", lambda: gate.wait(PATIENCE_S))

    busy = plane.send(Request("GET", "/v2/models/pair/ready"))
    gate.set()
    has_ended(plane)

    assert (busy.status, busy.json["code"]) == (503, "unavailable")
    assert busy.headers["retry-after"].isdigit()


def test_an_outage_while_it_is_recorded_is_unavailable_and_nothing_goes_on(
    plane: Plane, slow: SlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("The data store was silent for too long; try again.")

    monkeypatch.setattr("lambent.services.answer_later.AnswerLaterService.accept_running", fail)

    refused = plane.send(CALLS["media"])
    slow.go.set()
    has_ended(plane)

    assert (refused.status, refused.json["code"]) == (503, "unavailable")
    assert received() == []
