"""What AWS's services tell CloudWatch, as far as alarms and dashboard name it: from AWS's documentation.

Each namespace has its metrics and the sets of dimensions under which they are kept; a metric under any other set, or by
another spelling, is an empty graph and an alarm that never rings.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """The metrics of a namespace and the sets of dimensions that they are kept under."""

    metrics: frozenset[str]
    dimensions: tuple[frozenset[str], ...]
    source: str


def _kept(metrics: str, dimensions: tuple[str, ...], source: str) -> Kept:
    return Kept(frozenset(metrics.split()), tuple(frozenset(each.split()) for each in dimensions), source)


AWS_METRICS = {
    # Those under Method and Resource too are the detailed ones, which cost.
    "AWS/ApiGateway": _kept(
        "4XXError 5XXError CacheHitCount CacheMissCount Count IntegrationLatency Latency",
        ("ApiName", "ApiName Stage"),
        "docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html",
    ),
    # Without dimensions: of all functions of the account and Region.
    "AWS/Lambda": _kept(
        "Invocations Errors DeadLetterErrors Throttles RecursiveInvocationsDropped Duration "
        "PostRuntimeExtensionsDuration ConcurrentExecutions AsyncEventsReceived AsyncEventAge AsyncEventsDropped",
        ("", "FunctionName", "FunctionName Resource"),
        "docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
    ),
    "AWS/SQS": _kept(
        "ApproximateAgeOfOldestMessage ApproximateNumberOfMessagesDelayed ApproximateNumberOfMessagesNotVisible "
        "ApproximateNumberOfMessagesVisible NumberOfEmptyReceives NumberOfMessagesDeleted NumberOfMessagesReceived "
        "NumberOfMessagesSent SentMessageSize",
        ("QueueName",),
        "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
    ),
    "AWS/DynamoDB": _kept(
        "ConsumedReadCapacityUnits ConsumedWriteCapacityUnits ReadThrottleEvents WriteThrottleEvents",
        ("TableName", "TableName GlobalSecondaryIndexName"),
        "docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
    ),
}


def is_kept(namespace: str, metric: str, dimensions: frozenset[str]) -> bool:
    """Tell whether AWS keeps a metric under these dimensions."""
    kept = AWS_METRICS.get(namespace)
    return kept is not None and metric in kept.metrics and dimensions in kept.dimensions
