"""What the template's roles may do, answered by the engine that judges every call on the local stack."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from template_expanded import ExpandedTemplate
from template_references import as_list, target

from lambent_toolkit.sandbox.iam.judge import Principal, decide
from lambent_toolkit.sandbox.iam.policy import read_policy
from lambent_toolkit.sandbox.iam.question import Question

TABLE, DATA, MODELS = "arn:Table", "arn:DataBucket", "arn:ModelsBucket"
_REFERENCE = re.compile(r"\$\{(?!!)([^}]+)\}")
LEADING_KEYS = "dynamodb:leadingkeys"


def roles_of(template: ExpandedTemplate) -> dict[str, dict[str, Any]]:
    """Return all that has rights by the template: roles, and the policies for people."""
    people = {name: {"Policies": [each]} for name, each in template.of_type("IAM::ManagedPolicy").items()}
    return {**template.of_type("IAM::Role"), **people}


def principal_of(name: str, role: dict[str, Any], **context: tuple[str, ...]) -> Principal:
    """Return a role as the engine takes it; a resource's ARN is `arn:` and its logical id."""
    policies = tuple(
        read_policy(f"{name}{number}", json.dumps(_plain(each["PolicyDocument"])))
        for number, each in enumerate(role.get("Policies", []))
    )
    return Principal(f"arn:{name}", name, policies, context=context)


def may_touch_row(principal: Principal, action: str, partition: str) -> bool:
    """Tell whether a role may do something to the rows of a partition of the table."""
    question = Question(f"dynamodb:{action}", TABLE, {LEADING_KEYS: (partition,)})
    return decide(principal, question).is_allowed


def acting_for(principal: Principal, tenant: str) -> Principal:
    """Return a session of a role that was opened for one tenant."""
    return replace(principal, context={**principal.context, "aws:principaltag/tenant": (tenant,)})


def may_touch_object(principal: Principal, action: str, bucket: str, key: str) -> bool:
    """Tell whether a role may do something to an object; `AddObject` is to put one where none is."""
    put_on_condition = action == "AddObject"
    context = {"s3:if-none-match": ("*",)} if put_on_condition else {}
    asked = Question(f"s3:{'PutObject' if put_on_condition else action}", f"{bucket}/{key}", context)
    return decide(principal, asked).is_allowed


def may_list(principal: Principal, bucket: str, prefix: str | None) -> bool:
    """Tell whether a role may list what begins with a prefix, and so learns that one object is missing."""
    context = {} if prefix is None else {"s3:prefix": (prefix,)}
    return decide(principal, Question("s3:ListBucket", bucket, context)).is_allowed


def statements_of(role: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a role's statements."""
    return [each for policy in role.get("Policies", []) for each in policy["PolicyDocument"]["Statement"]]


def actions_of(role: dict[str, Any], service: str) -> set[str]:
    """Return the actions of a service that any statement of a role names."""
    return {
        action.partition(":")[2]
        for statement in statements_of(role)
        for action in as_list(statement["Action"])
        if action.startswith(f"{service}:")
    }


def _plain(node: Any) -> Any:
    """Put names in place of references."""
    if isinstance(node, dict) and "Fn::Sub" in node:
        text = node["Fn::Sub"]
        return _REFERENCE.sub(_named, text[0] if isinstance(text, list) else text).replace("${!", "${")
    if isinstance(node, dict) and node.keys() & {"Ref", "Fn::GetAtt"}:
        return f"arn:{target(node)}"
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(each) for each in node] if isinstance(node, list) else node


def _named(reference: re.Match[str]) -> str:
    name = reference.group(1)
    return name.replace("AWS::", "") if name.startswith("AWS::") else f"arn:{name.removesuffix('.Arn')}"
