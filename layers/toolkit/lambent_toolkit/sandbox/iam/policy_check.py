"""All policies of a template, read before anything runs by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lambent_toolkit.sandbox.deployment import Deployment, Resource
from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.iam.errors import BadPolicy
from lambent_toolkit.sandbox.iam.policy import Policy, read_policy

POLICY_KINDS = (
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
)
OWNERS = ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group")


def policies_of(deployment: Deployment) -> Iterator[tuple[Resource, Policy]]:
    """Read every policy of a template, with the resource that has it.

    Raises
    ------
    BrokenTemplate   one of them has something that the local stack cannot judge
    """
    for resource in deployment.resources.values():
        for name, document in _documents(resource):
            try:
                yield resource, read_policy(name, json.dumps(document, default=str))
            except BadPolicy as exc:
                raise BrokenTemplate(f"{resource.logical_id}: {exc}") from exc


def check_policies(deployment: Deployment) -> None:
    """Read every policy of a template.

    Raises
    ------
    BrokenTemplate   one of them has something that the local stack cannot judge
    """
    for _resource, _policy in policies_of(deployment):
        pass


def _documents(resource: Resource) -> Iterator[tuple[str, Any]]:
    properties = resource.properties
    if resource.kind in POLICY_KINDS:
        yield properties.get("PolicyName", resource.logical_id), properties["PolicyDocument"]
    if resource.kind in OWNERS:
        for each in properties.get("Policies", []):
            yield each["PolicyName"], each["PolicyDocument"]
        if trust := properties.get("AssumeRolePolicyDocument"):
            yield "trust", trust
