"""Queue polling of the local stack: partial failures, redelivery, dead letters, crashes; and S3's notifications."""

import json
from typing import Any
from uuid import uuid4

import pytest

from lambent_toolkit.sandbox import LocalStack
from patience import wait_for


def send(stack: LocalStack, **wish: Any) -> str:
    wish_id = f"w{uuid4().hex[:8]}"
    body = json.dumps({"id": wish_id, **wish})
    attributes = {"who": {"DataType": "String", "StringValue": "me"}}
    stack.client("sqs").send_message(QueueUrl=stack.info.queues["work"], MessageBody=body, MessageAttributes=attributes)
    return wish_id


def marks(stack: LocalStack, prefix: str) -> list[str]:
    listed = stack.client("s3").list_objects_v2(Bucket=stack.info.resources["Bucket"], Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", [])]


def record(stack: LocalStack, key: str) -> dict[str, Any]:
    return json.loads(stack.client("s3").get_object(Bucket=stack.info.resources["Bucket"], Key=key)["Body"].read())


def tries(stack: LocalStack, wish_id: str) -> list[int]:
    return sorted(int(key.rpartition("/")[2]) for key in marks(stack, f"tries/{wish_id}/"))


def in_dead_letters(stack: LocalStack, wish_id: str) -> bool:
    sqs, url = stack.client("sqs"), stack.info.queues["work_dead_letter"]
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        if json.loads(message["Body"])["id"] == wish_id:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return True
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return False


def is_empty(stack: LocalStack, queue: str) -> bool:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = stack.client("sqs").get_queue_attributes(QueueUrl=stack.info.queues[queue], AttributeNames=names)
    return set(counts["Attributes"].values()) == {"0"}


def test_message_is_handled_and_deleted(machinery: LocalStack) -> None:
    warm = send(machinery)
    wait_for(lambda: marks(machinery, f"done/{warm}"), what="the first message")
    wish_id = send(machinery)

    wait_for(lambda: marks(machinery, f"done/{wish_id}"), what="the message")
    wait_for(lambda: is_empty(machinery, "work"), what="the message's deletion")


def test_record_looks_as_lambda_makes_it(machinery: LocalStack) -> None:
    wish_id = send(machinery)
    wait_for(lambda: marks(machinery, f"done/{wish_id}"), what="the message")

    seen = record(machinery, f"done/{wish_id}")

    assert json.loads(seen["body"])["id"] == wish_id
    assert seen["messageAttributes"]["who"]["stringValue"] == "me"
    assert seen["messageAttributes"]["who"]["dataType"] == "String"
    assert seen["eventSource"] == "aws:sqs"
    assert seen["eventSourceARN"].endswith(machinery.info.queues["work"].rpartition("/")[2])
    assert seen["attributes"]["ApproximateReceiveCount"] == "1"
    assert int(seen["attributes"]["SentTimestamp"]) > 0


def test_message_whose_function_sets_its_visibility_comes_back(machinery: LocalStack) -> None:
    wish_id = send(machinery, do="hold-once", seconds=240)

    wait_for(lambda: marks(machinery, f"done/{wish_id}"), what="the second try")

    assert tries(machinery, wish_id) == [1, 2]


def test_only_the_failed_record_of_a_batch_comes_back(machinery: LocalStack) -> None:
    entries = [{"Id": str(n), "MessageBody": json.dumps({"id": f"batch{n}-{uuid4().hex[:6]}"})} for n in range(6)]
    failing = json.dumps({"id": f"late-{uuid4().hex[:6]}", "do": "fail-once"})
    entries.append({"Id": "6", "MessageBody": failing})
    machinery.client("sqs").send_message_batch(QueueUrl=machinery.info.queues["work"], Entries=entries)
    ids = [json.loads(entry["MessageBody"])["id"] for entry in entries]

    for wish_id in ids:
        wait_for(lambda wish_id=wish_id: marks(machinery, f"done/{wish_id}"), what=wish_id)

    assert [tries(machinery, wish_id) for wish_id in ids] == 6 * [[1]] + [[1, 2]]


def test_poison_goes_to_the_dead_letters_after_its_last_receive(machinery: LocalStack) -> None:
    wish_id = send(machinery, do="fail")

    wait_for(lambda: in_dead_letters(machinery, wish_id), what="the poison's arrival")

    assert tries(machinery, wish_id) == [1, 2, 3]
    assert marks(machinery, f"done/{wish_id}") == []


@pytest.mark.parametrize("wish", [{"do": "crash-once"}])
def test_crash_in_the_middle_loses_nothing(machinery: LocalStack, wish: dict[str, Any]) -> None:
    wish_id = send(machinery, **wish)

    wait_for(lambda: marks(machinery, f"done/{wish_id}"), what="the second try")

    assert tries(machinery, wish_id) == [1, 2]


def test_timeout_brings_the_message_back(machinery: LocalStack) -> None:
    wish_id = send(machinery, do="hang")

    wait_for(lambda: in_dead_letters(machinery, wish_id), what="the arrival of what hangs")

    assert tries(machinery, wish_id) == [1, 2, 3]


def test_answer_that_names_an_unknown_message_fails_the_whole_batch(machinery: LocalStack) -> None:
    wish_id = send(machinery, do="nonsense")

    wait_for(lambda: in_dead_letters(machinery, wish_id), what="the message's arrival")


def test_many_messages_are_each_handled(machinery: LocalStack) -> None:
    sqs, url = machinery.client("sqs"), machinery.info.queues["work"]
    ids = [f"many-{uuid4().hex[:6]}-{n:02}" for n in range(60)]

    for start in range(0, 60, 10):
        entries = [{"Id": str(n), "MessageBody": json.dumps({"id": ids[n]})} for n in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    wait_for(lambda: all(marks(machinery, f"done/{wish_id}") for wish_id in ids), what="all messages")


def test_upload_below_the_prefix_is_announced_to_the_queue(machinery: LocalStack) -> None:
    s3, sqs, bucket = machinery.client("s3"), machinery.client("sqs"), machinery.info.resources["Bucket"]
    s3.put_object(Bucket=bucket, Key="elsewhere/x", Body=b"1")
    s3.put_object(Bucket=bucket, Key="in/a b.png", Body=b"12")

    keys: list[str] = []

    def has_come() -> bool:
        answer = sqs.receive_message(QueueUrl=machinery.info.queues["upload"], MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            keys.extend(each["s3"]["object"]["key"] for each in json.loads(message["Body"]).get("Records", []))
        return bool(keys)

    wait_for(has_come, what="the announcement")
    assert [key.replace("%2F", "/").replace("%20", "+") for key in keys] == ["in/a+b.png"]


def test_bucket_and_table_have_what_moto_drops(machinery: LocalStack) -> None:
    s3, dynamodb, bucket = machinery.client("s3"), machinery.client("dynamodb"), machinery.info.resources["Bucket"]
    name = machinery.info.functions["echo"]

    expiry = dynamodb.describe_time_to_live(TableName=machinery.info.table)["TimeToLiveDescription"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    layers = machinery.client("lambda").get_function_configuration(FunctionName=name)["Layers"]

    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expires_at")
    assert [(rule["ID"], rule["Expiration"]["Days"]) for rule in rules] == [("old", 1)]
    assert ["First" in layers[0]["Arn"], "Second" in layers[1]["Arn"]] == [True, True]
