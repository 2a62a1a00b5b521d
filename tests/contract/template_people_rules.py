"""Rules of the policies for people and pipelines: each is for its verbs and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from template_access_rules import WITHOUT_RESOURCES
from template_expanded import ExpandedTemplate
from template_references import Findings, as_list, target

# Actions that AWS grants on "*" only, by its service authorization reference, or on "*" for all that a list may name.
WITHOUT_NAMED_RESOURCES = WITHOUT_RESOURCES | {
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
}
# Resources whose names are AWS's own, so that a pattern stands for them: (action, what its condition must name).
NAMED_BY_AWS = {
    "batch:TerminateJob": "aws:ResourceTag/lambent:stack",
    "batch:TagResource": "aws:RequestTag/lambent:stack",
}
# Rights over any key and plan of the account: API Gateway gives them their ids, and policies name them by nothing else.
OVER_EVERY_KEY = {"OperatorPolicy"}
CHANGING = {"s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"}
# By whose rows a person could take a tenant's place, or read what signs its webhooks.
SECRET_ROWS = ("WEBHOOK#",)
READING = ("Get", "List", "Describe", "Query", "Filter", "BatchGet")
# IAM's limit of a managed policy, without white space; and no name of a resource is longer.
MOST_CHARACTERS = 6_144
LONGEST_ARN = "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/" + "n" * 63
# What people see of callers' data: runs and data sets of their own.
DATA_PREFIXES = ("training/*", "inputs/*")


def people_get_no_wildcards(template: ExpandedTemplate) -> Findings:
    for name, statement in _statements(template):
        actions, resources = set(as_list(statement["Action"])), as_list(statement["Resource"])
        if any("*" in action for action in actions):
            yield f"{name}: wildcard action in {sorted(actions)}"
        if "*" in resources and not actions <= WITHOUT_NAMED_RESOURCES:
            yield f"{name}: {sorted(actions)} on every resource"
        for each in resources:
            text = str(each.get("Fn::Sub", "")) if isinstance(each, dict) else ""
            is_of_stack = "${AWS::StackName}" in text or _has_own_resource(text)
            if "*" in text and not is_of_stack and not _is_excused(name, text, actions, statement):
                yield f"{name}: {sorted(actions)} on {text}"


def people_touch_the_rows_of_their_verbs(template: ExpandedTemplate) -> Findings:
    """Find rights on rows whatever their key, and those on secrets.

    ForAllValues holds where a request names no key at all, as a Scan does: so none may be granted.
    """
    for name, statement in _statements(template):
        actions = [each for each in as_list(statement["Action"]) if each.startswith("dynamodb:")]
        if not actions or "/index/" in str(statement["Resource"]):
            continue
        keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
        if not keys or "*" in keys:
            yield f"{name}: {actions} on every row"
        if any(key.startswith(SECRET_ROWS) for key in keys):
            yield f"{name}: {actions} on {keys}"
        if {"dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:BatchWriteItem"} & set(actions):
            yield f"{name}: {actions} ask for no key"


def people_see_no_data_of_callers(template: ExpandedTemplate) -> Findings:
    for name, statement in _statements(template):
        if not any(action in {"s3:GetObject", *CHANGING} for action in as_list(statement["Action"])):
            continue
        for each in as_list(statement["Resource"]):
            bucket, _, prefix = str(each.get("Fn::Sub", "")).partition("/")
            if bucket == "${DataBucket.Arn}" and prefix not in DATA_PREFIXES:
                yield f"{name}: {statement['Action']} on {each}"


def readers_change_nothing(template: ExpandedTemplate) -> Findings:
    for name, statement in _statements(template):
        for action in as_list(statement["Action"]):
            if name == "ReaderPolicy" and not action.partition(":")[2].startswith(READING):
                yield f"{name}: {action}"


def people_cannot_change_what_runs(template: ExpandedTemplate) -> Findings:
    """Find rights by which somebody could give themselves more: over roles, functions or the stack."""
    for name, statement in _statements(template):
        for action in as_list(statement["Action"]):
            service, _, verb = action.partition(":")
            if service in {"iam", "sts"} or (service in {"lambda", "cloudformation"} and not verb.startswith(READING)):
                yield f"{name}: {action}"


def policies_fit_into_iam(template: ExpandedTemplate) -> Findings:
    for name, policy in template.of_type("IAM::ManagedPolicy").items():
        size = len(json.dumps(_with_longest_names(policy["PolicyDocument"]), separators=(",", ":")))
        if size > MOST_CHARACTERS:
            yield f"{name}: up to {size} characters of {MOST_CHARACTERS}"


def policies_have_no_names_and_nobody_yet(template: ExpandedTemplate) -> Findings:
    """Find names, which ask for CAPABILITY_NAMED_IAM and let there be one stack an account, and holders of a policy."""
    for name, policy in template.of_type("IAM::ManagedPolicy").items():
        given = {"ManagedPolicyName", "Users", "Groups", "Roles"} & policy.keys()
        yield from (f"{name}: sets {each}" for each in sorted(given))


def _statements(template: ExpandedTemplate) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, policy in template.of_type("IAM::ManagedPolicy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            yield name, statement


def _has_own_resource(text: str) -> bool:
    """Tell whether a Sub names a resource of this template, below which its pattern then stays."""
    return any(not part.startswith("AWS::") for part in text.split("${")[1:])


def _is_excused(name: str, text: str, actions: set[str], statement: dict[str, Any]) -> bool:
    if name in OVER_EVERY_KEY and text.endswith(("::/apikeys/*", "::/usageplans/*")):
        return True
    asked = statement.get("Condition", {}).get("StringEquals", {})
    return all(asked.get(NAMED_BY_AWS.get(action, "")) == {"Ref": "AWS::StackName"} for action in actions)


def _with_longest_names(node: Any) -> Any:
    if isinstance(node, dict) and node.keys() & {"Ref", "Fn::GetAtt", "Fn::Sub"}:
        text = node.get("Fn::Sub", "")
        return LONGEST_ARN + text.rpartition("}")[2] if text.startswith("${") else LONGEST_ARN + target(node)
    if isinstance(node, dict):
        return {key: _with_longest_names(value) for key, value in node.items()}
    return [_with_longest_names(each) for each in node] if isinstance(node, list) else node


RULES = [
    people_get_no_wildcards,
    people_touch_the_rows_of_their_verbs,
    people_see_no_data_of_callers,
    readers_change_nothing,
    people_cannot_change_what_runs,
    policies_fit_into_iam,
    policies_have_no_names_and_nobody_yet,
]
