"""EventBridge and asynchronous invocations of the local stack."""

import json
from typing import Any
from uuid import uuid4

from lambent_toolkit.sandbox import LocalStack
from patience import wait_for


def put_event(stack: LocalStack, **detail: Any) -> None:
    entry = {"Source": "test.things", "DetailType": "Thing", "Detail": json.dumps(detail)}
    assert stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def events(stack: LocalStack, source: str, mark: str) -> list[dict[str, Any]]:
    s3, bucket = stack.client("s3"), stack.info.resources["Bucket"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"events/{source}/").get("Contents", [])
    bodies = [json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()) for entry in listed]
    return [body for body in bodies if body["detail"].get("mark") == mark]


def dead_letter(stack: LocalStack, mark: str) -> dict[str, Any] | None:
    sqs, url = stack.client("sqs"), stack.info.queues["react_dead_letter"]
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    for message in answer.get("Messages", []):
        if json.loads(message["Body"])["detail"].get("mark") == mark:
            return message
    return None


def test_matching_event_reaches_the_function_once_as_eventbridge_sends_it(machinery: LocalStack) -> None:
    mark = uuid4().hex
    put_event(machinery, kind="wanted", mark=mark)

    (event,) = wait_for(lambda: events(machinery, "test.things", mark) or None, what="the event")

    assert event["detail-type"] == "Thing"
    assert event["time"].endswith("Z")
    assert set(event) == {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail",
    }  # fmt: skip


def test_event_that_matches_no_rule_or_a_disabled_one_reaches_nobody(machinery: LocalStack) -> None:
    unwanted, wanted = uuid4().hex, uuid4().hex
    put_event(machinery, kind="unwanted", mark=unwanted)
    put_event(machinery, kind="wanted", mark=wanted)

    wait_for(lambda: events(machinery, "test.things", wanted), what="the wanted event")

    assert events(machinery, "test.things", unwanted) == []


def test_event_that_fails_three_times_goes_to_the_functions_dead_letters(machinery: LocalStack) -> None:
    mark = uuid4().hex
    put_event(machinery, kind="wanted", mark=mark, fail=True)

    message = wait_for(lambda: dead_letter(machinery, mark), what="the dead letter")

    assert len(events(machinery, "test.things", mark)) == 3
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "as you wished"


def test_asynchronous_invocation_answers_at_once_and_runs_later(machinery: LocalStack) -> None:
    mark = uuid4().hex
    event = {"source": "by.hand", "detail": {"mark": mark}}

    answer = machinery.client("lambda").invoke(
        FunctionName=machinery.info.functions["react"], InvocationType="Event", Payload=json.dumps(event).encode()
    )

    assert answer["StatusCode"] == 202
    wait_for(lambda: events(machinery, "by.hand", mark), what="the event")
