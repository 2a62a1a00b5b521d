"""What a question needs to know of moto's state: keys of tables, tags of resources. In the storage process only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from moto.cloudformation.models import cloudformation_backends
from moto.dynamodb.models import dynamodb_backends

from lambent_toolkit.sandbox.iam.question import Question, tag_context
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

STACK = re.compile(r"arn:aws:cloudformation:[^:]+:[^:]+:stack/(?P<name>[^/]+)/\*")
TAGGED_JOB_ACTIONS = {"batch:TerminateJob", "batch:CancelJob"}


def key_schema(table: str, index: str | None) -> str:
    """Return the name of the partition key of a table or of its index; empty if there is no such table."""
    found = dynamodb_backends[ACCOUNT_ID][REGION].tables.get(table)
    if found is None:
        return ""
    if index is None:
        return str(found.hash_key_attr)
    for each in (*found.global_indexes, *found.indexes):
        if each.name == index:
            return next(str(key["AttributeName"]) for key in each.schema if key["KeyType"] == "HASH")
    return ""


def full_resource(resource: str) -> str:
    """Return the whole ARN of a stack that is known by name; anything else as it is."""
    if not (match := STACK.fullmatch(resource)):
        return resource
    stacks = cloudformation_backends[ACCOUNT_ID][REGION].stacks.values()
    return next((str(each.stack_id) for each in stacks if each.name == match.group("name")), resource)


def resource_context(question: Question, job_tags: Callable[[str], dict[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Return `aws:ResourceTag/…` of what is asked for, where policies of the template may ask for it."""
    if question.action in TAGGED_JOB_ACTIONS:
        return tag_context("resourcetag", job_tags(question.resource))
    return {}
