"""Services whose actions are named as their operations: which resources a call names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from moto.sqs.exceptions import InvalidParameterValue

from lambent_toolkit.sandbox.iam.errors import Unjudged
from lambent_toolkit.sandbox.iam.question import Call, Question, arn, tag_context
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.storage_moves import source_of_handle

Parameters = Mapping[str, Any]
Resources = Callable[[Parameters], list[str]]

ASSUME_ROLE = "sts:AssumeRole"
SESSION_TAG = re.compile(r"Tags\.member\.\d+\.Key")
# Where a service's prefix in policies is not the name in its signature.
PREFIXES = {"monitoring": "cloudwatch"}
# Where an action is not named as its operation.
RENAMED = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sns:PublishBatch": "sns:Publish",
    "lambda:Invoke": "lambda:InvokeFunction",
}


def anything(_parameters: Parameters) -> list[str]:
    """Stand for actions that know no resources."""
    return ["*"]


def _queue(parameters: Parameters) -> list[str]:
    return [arn("sqs", str(parameters.get("QueueUrl") or parameters["QueueName"]).rpartition("/")[2])]


def _topic(parameters: Parameters) -> list[str]:
    name = parameters.get("TopicArn") or parameters.get("TargetArn") or parameters.get("ResourceArn")
    # A subscription's ARN is its topic's with one part more.
    return [name] if name else [":".join(str(parameters["SubscriptionArn"]).split(":")[:6])]


def _buses(parameters: Parameters) -> list[str]:
    names = {entry.get("EventBusName", "default") for entry in parameters["Entries"]}
    return sorted(name if name.startswith("arn:") else arn("events", f"event-bus/{name}") for name in names)


def _rule(parameters: Parameters) -> list[str]:
    return [arn("events", f"rule/{parameters.get('Name') or parameters['Rule']}")]


def _submitted(parameters: Parameters) -> list[str]:
    return [_batch_arn("job-queue", parameters["jobQueue"]), _batch_arn("job-definition", parameters["jobDefinition"])]


def _batch_arn(kind: str, name: str) -> str:
    return name if name.startswith("arn:") else arn("batch", f"{kind}/{name}")


def _job(parameters: Parameters) -> list[str]:
    return [_batch_arn("job", parameters["jobId"])]


def _log_stream(parameters: Parameters) -> list[str]:
    group = parameters.get("logGroupName") or str(parameters["logGroupIdentifier"]).rpartition(":log-group:")[2]
    return [arn("logs", f"log-group:{group}:log-stream:{parameters.get('logStreamName', '')}")]


def _log_groups(_parameters: Parameters) -> list[str]:
    return [arn("logs", "log-group::log-stream:")]


def _function(parameters: Parameters) -> list[str]:
    name = str(parameters["FunctionName"])
    return [name if name.startswith("arn:") else arn("lambda", f"function:{name}")]


def _alarms(_parameters: Parameters) -> list[str]:
    return [arn("cloudwatch", "alarm:*")]


def _named_alarms(parameters: Parameters) -> list[str]:
    return [arn("cloudwatch", f"alarm:{name}") for name in parameters["AlarmNames"]]


def _dashboard(parameters: Parameters) -> list[str]:
    return [f"arn:aws:cloudwatch::{ACCOUNT_ID}:dashboard/{parameters['DashboardName']}"]


def _moved(parameters: Parameters) -> list[str]:
    return [str(parameters["SourceArn"])]


def _moved_by_task(parameters: Parameters) -> list[str]:
    # A handle that cannot be read is refused by the service itself.
    try:
        return [source_of_handle(str(parameters["TaskHandle"]))]
    except InvalidParameterValue:
        return [arn("sqs", "*")]


def _stack(parameters: Parameters) -> list[str]:
    # Its id has a part by chance, which only the service knows; see `lookups.py`.
    name = str(parameters["StackName"])
    return [name if name.startswith("arn:") else arn("cloudformation", f"stack/{name}/*")]


def _role(parameters: Parameters) -> list[str]:
    return [str(parameters["RoleArn"])]


RESOURCES: dict[str, Resources] = {
    "sts:AssumeRole": _role,
    **dict.fromkeys(
        (
            "sqs:SendMessage",
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:SetQueueAttributes",
            "sqs:PurgeQueue",
        ),
        _queue,
    ),
    **dict.fromkeys(("sns:Publish", "sns:Subscribe", "sns:Unsubscribe", "sns:GetTopicAttributes"), _topic),
    "sns:ListSubscriptionsByTopic": _topic,
    "events:PutEvents": _buses,
    "events:DescribeRule": _rule,
    "events:ListTargetsByRule": _rule,
    "batch:SubmitJob": _submitted,
    "batch:TerminateJob": _job,
    "batch:CancelJob": _job,
    **dict.fromkeys(
        (
            "batch:DescribeJobs",
            "batch:ListJobs",
            "batch:DescribeJobQueues",
            "batch:DescribeJobDefinitions",
            "batch:DescribeComputeEnvironments",
            "sqs:ListQueues",
            "sns:ListTopics",
            "lambda:ListFunctions",
            "lambda:GetAccountSettings",
            "cloudwatch:PutMetricData",
            "cloudwatch:GetMetricData",
            "cloudwatch:GetMetricStatistics",
            "cloudwatch:ListMetrics",
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "cloudformation:ListStacks",
            "dynamodb:ListTables",
        ),
        anything,
    ),
    **dict.fromkeys(
        (
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "logs:GetLogEvents",
            "logs:FilterLogEvents",
            "logs:DescribeLogStreams",
        ),
        _log_stream,
    ),
    "logs:DescribeLogGroups": _log_groups,
    **dict.fromkeys(
        (
            "lambda:InvokeFunction",
            "lambda:GetFunction",
            "lambda:GetFunctionConfiguration",
            "lambda:UpdateFunctionConfiguration",
            "lambda:GetPolicy",
        ),
        _function,
    ),
    "cloudwatch:DescribeAlarms": _alarms,
    "cloudwatch:EnableAlarmActions": _named_alarms,
    "cloudwatch:DisableAlarmActions": _named_alarms,
    "cloudwatch:GetDashboard": _dashboard,
    "sqs:StartMessageMoveTask": _moved,
    "sqs:ListMessageMoveTasks": _moved,
    "sqs:CancelMessageMoveTask": _moved_by_task,
    "cloudformation:DescribeStacks": _stack,
    "cloudformation:DescribeStackResources": _stack,
    "cloudformation:ListStackResources": _stack,
}


def action_of(call: Call) -> str:
    """Return the name that policies know for what a call does."""
    if call.service == "apigateway":  # its actions are the methods of HTTP
        return f"apigateway:{call.method}"
    name = f"{PREFIXES.get(call.service, call.service)}:{call.operation}"
    return RENAMED.get(name, name)


def questions_of_call(call: Call) -> list[Question]:
    """Return what a call asks; the tags that a job is submitted with need a right of their own.

    Raises
    ------
    Unjudged   it is not known which resources the operation names
    """
    action = action_of(call)
    if call.service == "apigateway":
        return [Question(action, f"arn:aws:apigateway:{REGION}::{call.path}")]
    if action not in RESOURCES:
        raise Unjudged(action)
    try:
        resources = RESOURCES[action](call.parameters)
    except KeyError as exc:
        raise Unjudged(f"{action} without {exc}") from exc
    asked = [Question(action, resource, _request_tags(call)) for resource in resources]
    if action == "batch:SubmitJob" and call.parameters.get("tags"):
        asked.append(Question("batch:TagResource", arn("batch", "job/*"), _request_tags(call)))
    if action == ASSUME_ROLE and session_tags(call.parameters):
        asked.append(Question("sts:TagSession", resources[0], _request_tags(call)))
    return asked


def session_tags(parameters: Parameters) -> dict[str, str]:
    """Return the tags that an AssumeRole gives its session."""
    keys = {name: str(value) for name, value in parameters.items() if SESSION_TAG.fullmatch(name)}
    return {key: str(parameters.get(name.replace(".Key", ".Value"), "")) for name, key in keys.items()}


def _request_tags(call: Call) -> dict[str, tuple[str, ...]]:
    tags = session_tags(call.parameters) if call.service == "sts" else call.parameters.get("tags") or {}
    if call.service not in ("batch", "sts") or not tags:
        return {}
    return {**tag_context("requesttag", tags), "aws:tagkeys": tuple(tags)}
