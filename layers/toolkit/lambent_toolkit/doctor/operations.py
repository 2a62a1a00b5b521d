"""Checks of what runs by itself: queues for what failed, alarms, denied rights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lambent_toolkit.doctor.findings import Finding, failed, ok, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import check
from lambent_toolkit.stacks.errors import telling_aws_errors

GROUP = "operations"
# CloudWatch compares words as a whole.
_REFUSALS = ("AccessDenied", "AccessDeniedException", "is not authorized to perform")
_LOOK_BACK_S = 3600
_PAID_METRICS_USD = 0.30
_NO_ALARMS = "nothing watches its metrics"


@check("dead-letters", group=GROUP, asks="Is every dead-letter queue empty?")
def _dead_letters(patient: Patient) -> Finding:
    client, full = patient.client("sqs"), {}
    queues = {name: url for name, url in patient.stack.queues.items() if name.endswith("dead_letter")}
    for name, url in queues.items():
        with telling_aws_errors():
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        if count := int(found["Attributes"]["ApproximateNumberOfMessages"]):
            full[name] = count
    if full:
        told = ", ".join(f"{name} {count}" for name, count in full.items())
        mend = "`lambent dlq list` has their reasons; mend those, then `lambent dlq redrive`, or `dlq drop`"
        return failed(f"messages were given up: {told}", mend=mend)
    return ok(f"all {len(queues)} are empty")


@check("queues-move", group=GROUP, asks="Does anything wait in a queue that nobody takes out?")
def _queues_move(patient: Patient) -> Finding:
    client, waiting = patient.client("sqs"), {}
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    queues = {name: url for name, url in patient.stack.queues.items() if not name.endswith("dead_letter")}
    for name, url in queues.items():
        with telling_aws_errors():
            counts = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if int(counts[names[0]]) and not int(counts[names[1]]):
            waiting[name] = counts[names[0]]
    if waiting:
        told = ", ".join(f"{name} {count}" for name, count in waiting.items())
        return warning(
            f"messages wait and none is being worked on: {told}",
            mend="ask again in a minute; if they still wait, see queue-sources, lambda-concurrency and `lambent logs`",
        )
    return ok(f"nothing waits unattended in {len(queues)} queues")


@check("alarms-heard", group=GROUP, aws_only=_NO_ALARMS, asks="Does anybody get the alarms?")
def _alarms_heard(patient: Patient) -> Finding:
    with telling_aws_errors():
        topics = {action for alarm in _alarms(patient) for action in alarm["AlarmActions"]}
        client = patient.client("sns")
        subscribed = [
            each["SubscriptionArn"]
            for topic in topics
            for each in client.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        ]
    if not topics:
        return warning("no alarm tells anybody", mend="lambent deploy --parameter AlarmEmail=YOU@EXAMPLE.COM")
    confirmed = [each for each in subscribed if each.startswith("arn:")]
    if not confirmed:
        told = "an address is named and has not been confirmed" if subscribed else "the alarms' topic has no subscriber"
        return warning(told, mend="click the link in AWS's mail (Subscription Confirmation), or subscribe an address")
    return ok(f"alarms go to {len(confirmed)} confirmed subscribers")


def _alarm_names(patient: Patient) -> set[str]:
    return {physical for name, physical in patient.stack.resources.items() if name.endswith("Alarm")}


def _alarms(patient: Patient) -> list[dict[str, Any]]:
    names = sorted(_alarm_names(patient))
    if not names:  # an empty list would stand for all alarms of the account
        return []
    with telling_aws_errors():
        pages = patient.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=names)
        return [each for page in pages for each in page["MetricAlarms"]]


@check("alarms-quiet", group=GROUP, aws_only=_NO_ALARMS, asks="Is every alarm there, and none raised?")
def _alarms_quiet(patient: Patient) -> Finding:
    alarms = _alarms(patient)
    if missing := sorted(_alarm_names(patient) - {each["AlarmName"] for each in alarms}):
        return failed(f"alarms are gone: {', '.join(missing)}", mend="lambent deploy")
    raised = [each for each in alarms if each["StateValue"] == "ALARM"]
    if raised:
        told = "; ".join(f"{each['AlarmName']}: {each.get('StateReason', '')}" for each in raised)
        return failed(f"raised: {told}", mend="each alarm's description says what to look at")
    return ok(f"none of {len(alarms)} is raised")


@check("rights", group=GROUP, asks="Was any function refused by AWS in the last hour?")
def _rights(patient: Patient) -> Finding:
    denied = _denied_locally(patient) if patient.stack.is_local else _denied(patient)
    if denied:
        told = ", ".join(f"{name} {count}" for name, count in denied.items())
        mend = "`lambent logs FUNCTION` names action and resource: a right is gone, or a policy above denies it"
        return failed(f"AWS refused calls in the last hour: {told}", mend=mend)
    return ok("no call was refused in the last hour")


def _denied_locally(patient: Patient) -> dict[str, int]:
    """Return how often each function's log, since the stack began, tells of a refusal."""
    logs = Path(patient.stack.facts()["logs"])
    counts = {
        path.stem: sum(
            any(word in line for word in _REFUSALS) for line in path.read_text(errors="replace").splitlines()
        )
        for path in sorted(logs.glob("*.log"))
        if path.stem in patient.stack.functions
    }
    return {name: count for name, count in counts.items() if count}


def _denied(patient: Patient) -> dict[str, int]:
    client, denied = patient.client("logs"), {}
    since_ms = int((patient.epoch_s() - _LOOK_BACK_S) * 1000)
    pattern = " ".join(f'?"{word}"' for word in _REFUSALS)
    for name, group in patient.stack.resources.items():
        if not name.endswith("LogGroup"):
            continue
        with telling_aws_errors():
            # A page may be empty and not the last one.
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=since_ms, filterPattern=pattern
            )
            count = sum(len(page["events"]) for page in pages)
        if count:
            denied[name.removesuffix("LogGroup")] = count
    return denied


@check(
    "metrics-cost",
    group=GROUP,
    asks="Are metrics a method switched on, which cost more than all the rest of an idle stack?",
)
def _metrics_cost(patient: Patient) -> Finding:
    if patient.parameters.get("MethodMetrics") == "true":
        return warning(
            f"each method in use costs up to {5 * _PAID_METRICS_USD:.2f} USD a month of metrics",
            mend="lambent deploy --parameter MethodMetrics=false",
        )
    return ok("metrics are a stage's, which cost nothing")
