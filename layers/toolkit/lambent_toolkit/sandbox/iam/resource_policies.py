"""Policies of buckets, queues, topics and roles, as moto keeps them now. Runs in the storage process only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from lambent_toolkit.sandbox.iam.policy import Policy, read_policy
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION


def resource_policies(resource: str) -> tuple[Policy, ...]:
    """Return the policy of what an ARN names, if it has one."""
    find = FINDERS.get(resource.split(":")[2] if resource.startswith("arn:") else "")
    document = find(resource) if find else None
    return (read_policy(resource.rpartition(":")[2].partition("/")[0], document),) if document else ()


def bucket(name: str) -> Any | None:
    """Return moto's bucket; None if there is none."""
    return s3_backends[ACCOUNT_ID]["aws"].buckets.get(name)


def _of_bucket(resource: str) -> str | None:
    found = bucket(resource.removeprefix("arn:aws:s3:::").partition("/")[0])
    return found.policy.decode() if found is not None and found.policy else None


def _of_queue(resource: str) -> str | None:
    queue = sqs_backends[ACCOUNT_ID][REGION].queues.get(resource.rpartition(":")[2])
    return None if queue is None else queue.policy


def _of_topic(resource: str) -> str | None:
    topic = sns_backends[ACCOUNT_ID][REGION].topics.get(resource)
    return None if topic is None else topic.policy


def _of_role(resource: str) -> str | None:
    role = next((each for each in iam_backends[ACCOUNT_ID]["aws"].roles.values() if each.arn == resource), None)
    if role is None:
        return None
    # A trust policy names no resource: it is the role that carries it.
    document = role.assume_role_policy_document
    return document if isinstance(document, str) else json.dumps(document)


FINDERS: dict[str, Callable[[str], str | None]] = {
    "iam": _of_role,
    "s3": _of_bucket,
    "sns": _of_topic,
    "sqs": _of_queue,
}
