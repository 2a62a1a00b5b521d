"""S3's events on the local stack."""

import json

import boto3
import pytest
from moto import mock_aws
from moto.s3 import notifications

from lambent.contracts.object_events import read_object_events
from lambent_toolkit.sandbox.storage_object_events import Sequencers, order_object_events

REGION = "eu-south-1"


def test_sequencers_only_grow() -> None:
    sequencers = Sequencers()
    made = [sequencers.next() for _ in range(1_000)]

    assert made == sorted(set(made))
    assert {len(each) for each in made} == {16}


def test_of_two_events_of_one_key_the_sequencer_tells_which_is_the_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "_get_s3_event", notifications._get_s3_event)
    order_object_events()
    with mock_aws():
        s3, sqs = boto3.client("s3", REGION), boto3.client("sqs", REGION)
        url = sqs.create_queue(QueueName="uploads")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        s3.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
        configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        s3.put_bucket_notification_configuration(Bucket="data", NotificationConfiguration=configuration)
        etags = [s3.put_object(Bucket="data", Key="inbox/a", Body=body)["ETag"].strip('"') for body in (b"1", b"2")]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        bodies = [message["Body"] for message in messages if "Records" in json.loads(message["Body"])]
        events = [event for body in bodies for event in read_object_events(body)]

    assert [event.etag for event in sorted(events, key=lambda event: event.sequencer)] == etags
