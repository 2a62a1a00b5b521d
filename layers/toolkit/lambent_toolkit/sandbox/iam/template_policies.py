"""Puts back policies that moto's CloudFormation drops. Runs in the storage process only."""

from __future__ import annotations

import json
from typing import Any

from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from lambent_toolkit.sandbox.iam.principals import iam_backend
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

Properties = dict[str, Any]


def keep_policies(resources: dict[str, dict[str, Any]]) -> None:
    """Give buckets, queues and topics their policies, and roles the managed ones.

    Parameters
    ----------
    resources    the record of created resources, see `storage_cloudformation.py`
    """
    for each in resources.values():
        if each["type"] in KEEPERS and "physical_id" in each:
            KEEPERS[each["type"]](each["properties"], each["physical_id"])


def _bucket(properties: Properties, _name: str) -> None:
    bucket = s3_backends[ACCOUNT_ID]["aws"].buckets[properties["Bucket"]]
    bucket.policy = _document(properties).encode()


def _queues(properties: Properties, _name: str) -> None:
    for url in properties["Queues"]:
        sqs_backends[ACCOUNT_ID][REGION].queues[url.rpartition("/")[2]].policy = _document(properties)


def _topics(properties: Properties, _name: str) -> None:
    for topic in properties["Topics"]:
        sns_backends[ACCOUNT_ID][REGION].topics[topic].policy = _document(properties)


def _role(properties: Properties, name: str) -> None:
    role = iam_backend().get_role(name)
    # As IAM keeps them: moto would answer GetRolePolicy with what CloudFormation gave it, which is no text.
    role.policies = {key: each if isinstance(each, str) else json.dumps(each) for key, each in role.policies.items()}
    for arn in properties.get("ManagedPolicyArns", []):
        iam_backend().attach_role_policy(arn, name)


def _document(properties: Properties) -> str:
    return json.dumps(properties["PolicyDocument"], default=str)


KEEPERS = {
    "AWS::IAM::Role": _role,
    "AWS::S3::BucketPolicy": _bucket,
    "AWS::SNS::TopicPolicy": _topics,
    "AWS::SQS::QueuePolicy": _queues,
}
