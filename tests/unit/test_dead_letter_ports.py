"""The fakes of dead-letter queues and of their ledger keep the promises of the adapters (on moto)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from builders import create_table
from lambent.adapters.dynamodb_deaths import DynamoDeathLedger
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.sqs_dead_letters import SqsDeadLetters
from lambent.domain.dead_letters import Became, DeadLetter, DeathRecord
from lambent.errors import Unavailable
from lambent_toolkit.fakes import FakeDeadLetters, FakeDeathLedger

RECORD = DeathRecord(
    queue="infer", message_id="m", became=Became.FAILED, code="c", detail="d", tenant="acme", subject="upload a.png",
    at="2026-11-30T00:00:00.000Z",
)  # fmt: skip


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.fixture
def sqs(aws: None) -> Any:
    return boto3.client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="dead")["QueueUrl"])


@pytest.fixture(params=["fake", "adapter"])
def letters(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeDeadLetters("infer", [DeadLetter("infer", f"m{n}", f"{n}", {}, f"r{n}", 0.0, 1) for n in range(23)])
    sqs, url = request.getfixturevalue("sqs"), request.getfixturevalue("url")
    for number in range(23):
        sqs.send_message(QueueUrl=url, MessageBody=f"{number}")
    return SqsDeadLetters(sqs, url, name="infer")


@pytest.fixture(params=["fake", "adapter"])
def ledger(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeDeathLedger()
    request.getfixturevalue("aws")
    create_table("table")
    return DynamoDeathLedger(DynamoTable(boto3.client("dynamodb"), "table"))


def test_what_is_received_is_hidden_until_it_is_released(letters: Any) -> None:
    taken: list[DeadLetter] = []

    while some := letters.receive(hold_s=900):
        taken += some
    hidden = letters.depth()
    letters.release(taken)

    assert sorted(int(letter.body) for letter in taken) == list(range(23))
    assert (hidden.waiting, hidden.in_flight) == (0, 23)
    assert letters.depth().waiting == 23


def test_a_letter_has_its_attributes_of_text_and_when_it_came(sqs: Any, url: str) -> None:
    attributes = {
        "reason_code": {"DataType": "String", "StringValue": "image_corrupt"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\0"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="{}", MessageAttributes=attributes)

    (letter,) = SqsDeadLetters(sqs, url, name="batch").receive(hold_s=60)

    assert (letter.queue, letter.message_id, letter.body) == ("batch", sent["MessageId"], "{}")
    assert (letter.attributes, letter.reason_code) == ({"reason_code": "image_corrupt"}, "image_corrupt")
    assert letter.receives == 1
    assert letter.sent_at_s > 1_700_000_000


def test_a_queue_that_does_not_answer_is_unavailable() -> None:
    class Away:
        def __getattr__(self, _name: str) -> Any:
            def call(**_arguments: Any) -> Any:
                raise EndpointConnectionError(endpoint_url="x")

            return call

    letters = SqsDeadLetters(Away(), "url", name="infer")
    letter = DeadLetter("infer", "m", "", {}, "r", 0.0, 1)

    for act in (letters.depth, lambda: letters.receive(hold_s=1), lambda: letters.release([letter])):
        with pytest.raises(Unavailable):
            act()


def test_a_record_is_added_once_and_known_by_its_queue(ledger: Any) -> None:
    added = [ledger.add(each, expires_at_s=1) for each in (RECORD, replace(RECORD, code="other"))]
    other = ledger.add(replace(RECORD, queue="upload", message_id="n", tenant=None, subject=None), expires_at_s=1)

    assert (added, other) == ([True, False], True)
    assert (ledger.known("infer"), ledger.known("upload"), ledger.known("batch")) == ({"m"}, {"n"}, set())


def test_the_ledger_gives_back_what_was_recorded(aws: None) -> None:
    create_table("table")
    ledger = DynamoDeathLedger(DynamoTable(boto3.client("dynamodb"), "table"))
    nobodys = replace(RECORD, message_id="n", became=Became.NOBODYS, tenant=None, subject=None)
    for each in (RECORD, nobodys):
        ledger.add(each, expires_at_s=1)

    assert sorted(ledger.records("infer"), key=lambda each: each.message_id) == [RECORD, nobodys]
