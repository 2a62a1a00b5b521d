"""Message move tasks behave as AWS's; its words are those that others have recorded there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from programs import ROOT

# moto is patched for the whole process, and other tests take it as it is.
PROGRAM = """
import json, sys
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.storage_moves import install_moves
from patience import wait_for

install_moves()
account = {"region_name": REGION, "aws_access_key_id": "x", "aws_secret_access_key": "x"}


def refusal(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
    return None


def queue(name, **attributes):
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def messages(url):
    found = []
    while got := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    ).get("Messages"):
        found += got
    return found


def die(url):
    # Received once too often, each message goes to the dead-letter queue at the next receive.
    for _ in range(2):
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)


def done(arn):
    return wait_for(lambda: (tasks(arn)[0]["Status"] != "RUNNING") and tasks(arn)[0], what="the end of the task")


def tasks(arn, **more):
    return sqs.list_message_move_tasks(SourceArn=arn, **more)["Results"]


with mock_aws():
    sqs = boto3.client("sqs", **account)
    dead, dead_arn = queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    work, work_arn = queue("work", RedrivePolicy=policy)
    other, other_arn = queue("other", RedrivePolicy=policy)
    told = {}
    exec(sys.argv[1])
    print(json.dumps(told, default=str))
"""


def told(steps: str) -> dict[str, Any]:
    """Run steps on two queues, ``work`` and ``other``, and their dead-letter queue ``dead``; return what they tell."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, steps],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_messages_go_back_as_new_ones_with_all_that_they_hold() -> None:
    found = told("""
for number in range(12):
    sent = sqs.send_message(
        QueueUrl=work, MessageBody=f"{number}",
        MessageAttributes={"tenant": {"DataType": "String", "StringValue": "acme"}},
    )
die(work)
die(work)
before = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
handle = sqs.start_message_move_task(SourceArn=dead_arn, DestinationArn=work_arn)["TaskHandle"]
task = done(dead_arn)
back = messages(work)
told.update(
    before=before, task=task, bodies=sorted(int(each["Body"]) for each in back), left=len(messages(dead)),
    tenants=sorted({each["MessageAttributes"]["tenant"]["StringValue"] for each in back}),
    is_new=sent["MessageId"] not in [each["MessageId"] for each in back],
    received=sorted({each["Attributes"]["ApproximateReceiveCount"] for each in back}),
)
""")

    assert (found["before"], found["bodies"], found["left"]) == ("12", list(range(12)), 0)
    assert (found["tenants"], found["is_new"], found["received"]) == (["acme"], True, ["1"])
    task = found["task"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 12)
    assert task["ApproximateNumberOfMessagesToMove"] == 12
    assert "TaskHandle" not in task
    assert task["DestinationArn"].endswith(":work")


def test_without_a_destination_each_goes_back_to_where_it_was() -> None:
    found = told("""
sqs.send_message(QueueUrl=work, MessageBody="of work")
sqs.send_message(QueueUrl=other, MessageBody="of other")
die(work)
die(other)
sqs.start_message_move_task(SourceArn=dead_arn)
task = done(dead_arn)
told.update(status=task["Status"], told=sorted(task), bodies=[[m["Body"] for m in messages(q)] for q in (work, other)])
""")

    assert (found["status"], found["bodies"]) == ("COMPLETED", [["of work"], ["of other"]])
    assert "DestinationArn" not in found["told"]


def test_a_message_that_was_sent_to_the_dead_letter_queue_itself_has_nowhere_to_go_back_to() -> None:
    found = told("""
sqs.send_message(QueueUrl=dead, MessageBody="buried")
sqs.start_message_move_task(SourceArn=dead_arn)
task = done(dead_arn)
told.update(status=task["Status"], why=task["FailureReason"], left=len(messages(dead)))
""")

    assert found == {"status": "FAILED", "why": "CouldNotDetermineMessageSource", "left": 1}


def test_a_task_can_be_slow_and_cancelled_and_is_the_only_one() -> None:
    found = told("""
for number in range(60):  # which would take a minute
    sqs.send_message(QueueUrl=dead, MessageBody=f"{number}")
start = {"SourceArn": dead_arn, "DestinationArn": work_arn, "MaxNumberOfMessagesPerSecond": 1}
handle = sqs.start_message_move_task(**start)["TaskHandle"]
second = refusal(sqs.start_message_move_task, **start)
running = tasks(dead_arn)[0]
sqs.cancel_message_move_task(TaskHandle=handle)
ended = done(dead_arn)
told.update(
    second=second, running=[running["Status"], running["TaskHandle"] == handle],
    rate=running["MaxNumberOfMessagesPerSecond"], ended=ended["Status"], again=refusal(
        sqs.cancel_message_move_task, TaskHandle=handle
    ),
    all=len(messages(dead)) + len(messages(work)),
)
sqs.start_message_move_task(SourceArn=dead_arn, DestinationArn=work_arn)
done(dead_arn)
told["listed"] = [len(tasks(dead_arn)), len(tasks(dead_arn, MaxResults=10))]
""")

    assert found["second"] == [
        "InvalidParameterValue",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    ]
    assert (found["running"], found["rate"], found["ended"]) == (["RUNNING", True], 1, "CANCELLED")
    assert found["again"] == ["ResourceNotFoundException", "Task does not exist."]
    assert (found["all"], found["listed"]) == (60, [1, 2])


REFUSALS = {
    "a queue that is nobody's dead-letter queue": (
        "sqs.start_message_move_task, SourceArn=work_arn",
        ["InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."],
    ),
    "an unknown source": (
        "sqs.start_message_move_task, SourceArn=dead_arn + 'x'",
        ["ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist."],
    ),
    "an unknown destination": (
        "sqs.start_message_move_task, SourceArn=dead_arn, DestinationArn=dead_arn + 'x'",
        [
            "ResourceNotFoundException",
            "The resource that you specified for the DestinationArn parameter doesn't exist.",
        ],
    ),
    "no handle": (
        "sqs.cancel_message_move_task, TaskHandle='none'",
        ["InvalidParameterValue", "Value for parameter TaskHandle is invalid."],
    ),
}


@pytest.fixture(scope="module")
def refusals() -> dict[str, Any]:
    return told("\n".join(f"told[{name!r}] = refusal({call})" for name, (call, _) in REFUSALS.items()))


@pytest.mark.parametrize("name", REFUSALS)
def test_what_aws_refuses_is_refused_in_its_words(refusals: dict[str, Any], name: str) -> None:
    assert refusals[name] == REFUSALS[name][1]
