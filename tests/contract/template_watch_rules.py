"""Rules of what is watched: alarms ring for what callers notice, and for metrics that there are."""

from __future__ import annotations

import json
from typing import Any

from aws_metrics import is_kept
from template_expanded import ExpandedTemplate
from template_references import Findings, target

from lambent.runtime import observability
from lambent_toolkit.dashboard.table import OURS

# What our own records are counted under, whatever else they are counted by.
OURS_BY = frozenset({"service"})

# What a caller notices, or what only an account's owner can mend: (namespace, metric, of what).
WATCHED = (
    ("AWS/ApiGateway", "5XXError", "AWS::StackName"),
    ("AWS/ApiGateway", "Latency", "AWS::StackName"),
    ("AWS/Lambda", "Errors", "PredictFunction"),
    ("AWS/Lambda", "Throttles", None),
    (OURS, "DeadLettersUnrecorded", "AWS::StackName"),
)
FREE_DASHBOARD_METRICS = 50
# Lines that are found while the dashboard is drawn, one a version, take the rest.
MOST_DASHBOARD_METRICS = 40


def what_callers_notice_raises_an_alarm(template: ExpandedTemplate) -> Findings:
    watched = {
        (alarm["Namespace"], alarm["MetricName"], _subject(alarm))
        for alarm in template.of_type("CloudWatch::Alarm").values()
    }
    yield from (f"{metric} of {of}: nobody is told" for _, metric, of in set(WATCHED) - watched)


def chains_that_lambda_stops_raise_an_alarm(template: ExpandedTemplate) -> Findings:
    """Find functions that send to the queue that starts them, and of which nobody learns that Lambda stopped them."""
    watched = {
        _subject(alarm)
        for alarm in template.of_type("CloudWatch::Alarm").values()
        if alarm["MetricName"] == "RecursiveInvocationsDropped" and int(alarm["Threshold"]) == 0
    }
    for mapping in template.of_type("Lambda::EventSourceMapping").values():
        queue, name = target(mapping["EventSourceArn"]), target(mapping["FunctionName"])
        variables = template.of_type("Lambda::Function")[name]["Environment"]["Variables"].values()
        # An alarm without a function is one of all of them.
        if {"Ref": queue} in variables and _sends_to(template, name, queue) and not watched & {name, None}:
            yield f"{name}: Lambda may stop it as a loop, unseen"


def alarms_watch_metrics_that_there_are(template: ExpandedTemplate) -> Findings:
    for name, alarm in template.of_type("CloudWatch::Alarm").items():
        dimensions = frozenset(each["Name"] for each in alarm.get("Dimensions", []))
        if not (is_kept(alarm["Namespace"], alarm["MetricName"], dimensions) or _is_ours(alarm, dimensions)):
            yield f"{name}: {alarm['Namespace']} has no {alarm['MetricName']} by {sorted(dimensions)}"


def silence_is_no_alarm(template: ExpandedTemplate) -> Findings:
    """Find alarms that ring in an idle stack, which tells CloudWatch nothing."""
    for name, alarm in template.of_type("CloudWatch::Alarm").items():
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{name}: rings, or stays red, while nothing happens"


def the_dashboard_stays_within_the_free_ones(template: ExpandedTemplate) -> Findings:
    for name, dashboard in template.of_type("CloudWatch::Dashboard").items():
        lines = [line for widget in _widgets(dashboard) for line in widget["properties"]["metrics"] if len(line) > 1]
        metrics = {json.dumps(line[:-1]) for line in lines}
        if not 1 <= len(metrics) <= MOST_DASHBOARD_METRICS < FREE_DASHBOARD_METRICS:
            yield f"{name}: shows {len(metrics)} metrics, of which {FREE_DASHBOARD_METRICS} are free"


def _widgets(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    widgets: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]
    return widgets


def _is_ours(alarm: dict[str, Any], dimensions: frozenset[str]) -> bool:
    """Tell whether functions record it; that code really does is held by test_dashboard.py."""
    recorded = {value for name, value in vars(observability).items() if name.isupper() and isinstance(value, str)}
    return alarm["Namespace"] == OURS and alarm["MetricName"] in recorded and dimensions == OURS_BY


def _subject(alarm: dict[str, Any]) -> str | None:
    dimensions = alarm.get("Dimensions", [])
    return target(dimensions[0]["Value"]) if dimensions else None


def _sends_to(template: ExpandedTemplate, function: str, queue: str) -> bool:
    role = template.of_type("IAM::Role")[target(template.of_type("Lambda::Function")[function]["Role"])]
    statements = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    return any("sqs:SendMessage" in str(each["Action"]) and queue in str(each["Resource"]) for each in statements)


RULES = [
    what_callers_notice_raises_an_alarm,
    chains_that_lambda_stops_raise_an_alarm,
    alarms_watch_metrics_that_there_are,
    silence_is_no_alarm,
    the_dashboard_stays_within_the_free_ones,
]
