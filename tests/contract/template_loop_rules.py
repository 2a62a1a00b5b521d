"""Rules of what Lambda's recursion guard sees: who can reach itself, directly or by others.

Lambda follows an event through SQS, SNS, S3 and its own Invoke, and stops the 17th run of a function for one event.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from template_access_rules import trusted
from template_expanded import ExpandedTemplate
from template_references import Findings, as_list, target

SENDING = {"sqs:SendMessage", "sns:Publish", "lambda:InvokeFunction", "s3:PutObject"}


def who_reaches_itself_may_and_nobody_else(template: ExpandedTemplate) -> Findings:
    for name, function in template.of_type("Lambda::Function").items():
        is_allowed = function.get("RecursiveLoop", "Terminate") == "Allow"
        is_looping = name in _reached_from(name, template)
        if is_looping and not is_allowed:
            yield f"{name}: Lambda stops its chain after 16 links"
        if is_allowed and not is_looping:
            yield f"{name}: cannot reach itself, so the guard would stop mistakes only"


def _reached_from(start: str, template: ExpandedTemplate) -> set[str]:
    """Return every function that events of ``start`` can lead to."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in set(_next(waiting.pop(), template)) - found:
            found.add(name)
            waiting.append(name)
    return found


def _next(function: str, template: ExpandedTemplate) -> Iterator[str]:
    for resource in _written(function, template):
        yield from _started_by(target(resource), _key_prefix(resource), template)


def _written(function: str, template: ExpandedTemplate) -> Iterator[Any]:
    """Yield every resource that a function's role, or one that this role takes, may send something to."""
    roles, own = template.of_type("IAM::Role"), target(template.of_type("Lambda::Function")[function]["Role"])
    taken = [name for name, role in roles.items() if own in trusted(role)]
    for policy in (policy for name in (own, *taken) for policy in roles[name].get("Policies", [])):
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow" and SENDING & set(as_list(statement["Action"])):
                yield from as_list(statement["Resource"])


def _started_by(source: str, key_prefix: str, template: ExpandedTemplate) -> Iterator[str]:
    """Yield the functions that a queue, topic, bucket or function starts when something is written to it."""
    if source in template.of_type("Lambda::Function"):
        yield source
    for mapping in template.of_type("Lambda::EventSourceMapping").values():
        if target(mapping["EventSourceArn"]) == source:
            yield target(mapping["FunctionName"])
    for listener in (*_notified(source, key_prefix, template), *_subscribed(source, template)):
        yield from _started_by(listener, "", template)


def _notified(bucket: str, key_prefix: str, template: ExpandedTemplate) -> Iterator[str]:
    configuration = template.of_type("S3::Bucket").get(bucket, {}).get("NotificationConfiguration", {})
    for key, listener in (
        ("QueueConfigurations", "Queue"),
        ("TopicConfigurations", "Topic"),
        ("LambdaConfigurations", "Function"),
    ):
        for each in configuration.get(key, []):
            rules = each.get("Filter", {}).get("S3Key", {}).get("Rules", [])
            watched = next((rule["Value"] for rule in rules if rule["Name"] == "prefix"), "")
            if watched.startswith(key_prefix) or key_prefix.startswith(watched):
                yield target(each[listener])


def _subscribed(topic: str, template: ExpandedTemplate) -> Iterator[str]:
    inline = template.of_type("SNS::Topic").get(topic, {}).get("Subscription", [])
    apart = [each for each in template.of_type("SNS::Subscription").values() if target(each["TopicArn"]) == topic]
    yield from (target(each["Endpoint"]) for each in (*inline, *apart))


def _key_prefix(resource: Any) -> str:
    """Return what the keys begin with that a role may write, of ``${Bucket.Arn}/work/*`` it is work/."""
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else str(resource)
    return str(text).partition("}/")[2].partition("*")[0]


RULES = [who_reaches_itself_may_and_nobody_else]
