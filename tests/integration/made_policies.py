"""Callers of a running stack's storage other than its owner: users with policies of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lambent_toolkit.sandbox import StackInfo


@dataclass(frozen=True)
class Caller:
    """A user with an access key."""

    info: StackInfo
    name: str
    credentials: dict[str, Any]

    def client(self, service: str, **options: Any) -> Any:
        return self.info.client(service, **self.credentials, **options)


def listening_queue(info: StackInfo, name: str) -> tuple[str, str]:
    """Make a queue into which SNS and EventBridge may put messages; return its address and its ARN."""
    sqs = info.client("sqs")
    arn = f"arn:aws:sqs:{info.region}:123456789012:{name}"
    services = ["sns.amazonaws.com", "events.amazonaws.com"]
    statement = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    sqs.close()
    return str(url), arn


@contextmanager
def make_caller(
    info: StackInfo, name: str, policy: dict[str, Any] | None = None, *, attached: Sequence[str] = ()
) -> Iterator[Caller]:
    """Make a user, with a managed policy of its own if there is one, and remove both afterwards.

    Parameters
    ----------
    attached   ARNs of managed policies that there are, which stay
    """
    iam = info.client("iam")
    iam.create_user(UserName=name)
    arn = None
    if policy is not None:
        document = json.dumps({"Version": "2012-10-17", **policy})
        arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    arns = [*attached, *([arn] if arn else [])]
    for each in arns:
        iam.attach_user_policy(UserName=name, PolicyArn=each)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    yield Caller(
        info,
        name,
        {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
            "aws_session_token": None,
        },
    )
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for each in arns:
        iam.detach_user_policy(UserName=name, PolicyArn=each)
    if arn is not None:
        iam.delete_policy(PolicyArn=arn)
    iam.delete_user(UserName=name)
    iam.close()
