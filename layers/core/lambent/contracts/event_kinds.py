"""What an event is, by the marks that its sender leaves on it: told to whoever sent it to the wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambent.contracts.schema_errors import shown_name

_MOST_FIELDS = 4
# Of the records that a service hands to Lambda in a list; SNS writes the name with a capital letter.
_RECORDS = {
    "aws:sqs": "messages of SQS",
    "aws:sns": "a notification that SNS itself delivers",
    "aws:s3": "an S3 event",
    "aws:kinesis": "records of a Kinesis stream",
    "aws:dynamodb": "records of a DynamoDB stream",
}
# Fields that only events of one kind have, the surest first.
_MARKS = (
    (("Type", "Message", "TopicArn"), "an SNS envelope"),
    (("Event", "Bucket", "RequestId"), "S3's test event"),
    (("detail-type", "source"), "an event of EventBridge"),
    (("triggerSource", "userPoolId"), "a trigger of Cognito"),
    (("alarmArn", "alarmData"), "a CloudWatch alarm"),
    (("awslogs",), "a subscription to logs"),
    (("methodArn",), "a question to an authorizer"),
    (("requestContext", "resource", "httpMethod"), "a request of an API Gateway REST API"),
)
_REQUESTS = (
    ("elb", "a request of a load balancer"),
    ("http", "a request of an HTTP API or a function's URL"),
    ("connectionId", "a message of a WebSocket"),
)


def kind_of(event: Any) -> str:
    """Return what an event is, for a sentence: "an S3 event", "an object with the fields a, b", "a list".

    Names of fields are told if they look like names; nothing of the content is.
    """
    if isinstance(event, Mapping):
        return _kind_of_object(event)
    if isinstance(event, list):
        return "a list" if event else "an empty list"
    if event is None:
        return "null"
    if isinstance(event, str):
        return "a text"
    return "a boolean" if isinstance(event, bool) else "a number"


def _kind_of_object(event: Mapping[str, Any]) -> str:
    if not event:
        return "an empty object"
    if (source := _source_of(event.get("Records"))) is not None:
        return _RECORDS.get(source, "records of another service")
    for names, kind in _MARKS:
        if all(name in event for name in names):
            return kind
    context = event.get("requestContext")
    if isinstance(context, Mapping):
        return next((kind for name, kind in _REQUESTS if name in context), "a request of another form")
    shown = [shown_name(name) if isinstance(name, str) else "?" for name in list(event)[:_MOST_FIELDS]]
    more = f" and {len(event) - _MOST_FIELDS} more" if len(event) > _MOST_FIELDS else ""
    return f"an object with the field{'s' if len(event) > 1 else ''} {', '.join(shown)}{more}"


def _source_of(records: Any) -> str | None:
    """Return which service the first of an event's records is from, None where it does not say so."""
    first = records[0] if isinstance(records, list) and records else None
    if not isinstance(first, Mapping):
        return None
    source = first.get("eventSource", first.get("EventSource"))
    return source if isinstance(source, str) else None
