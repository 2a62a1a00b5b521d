"""What the dashboard shows: a row a line, in the words of CloudWatch.

Values of dimensions are text for ``Fn::Sub``: ``${Name}`` is the physical name of the resource ``Name``. The GPU lane's
own resources are missing where there is no such lane, so no row names one.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambent.runtime import observability as ours

API, FUNCTIONS, QUEUES, TABLES = "AWS/ApiGateway", "AWS/Lambda", "AWS/SQS", "AWS/DynamoDB"
OURS = ours.metrics.namespace
# The value of the dimension `service` of what functions record themselves, see POWERTOOLS_SERVICE_NAME in the template.
SERVICE = "${AWS::StackName}"
FUNCTION_NAMES = ("Predict", "Jobs", "Sort", "Preprocess", "Infer", "Dispatch", "Notify", "Sweep")
# Those that run or prepare models, whose times say something of the models too; Predict's have a graph of their own.
MODEL_FUNCTION_NAMES = ("Preprocess", "Infer")
QUEUE_NAMES = ("Upload", "Preprocess", "Infer", "Batch", "Notify")
# What dies in PreprocessQueue lies in the upload queue's.
DEAD_LETTER_QUEUE_NAMES = tuple(f"{name}DeadLetter" for name in QUEUE_NAMES if name != "Preprocess")
_TIMES = ("p50", "p95", "p99")


@dataclass(frozen=True)
class Row:
    """One line of a graph.

    Parameters
    ----------
    graph        title of the graph
    namespace    CloudWatch's
    metric       its name there
    statistic    ``Sum``, ``Maximum``, ``p95``, …
    dimensions   (name, value) pairs, as Fn::Sub takes them
    label        what the legend says
    by           dimensions whose every value is a line of its own, found when the graph is drawn
    """

    graph: str
    namespace: str
    metric: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...]
    label: str
    by: tuple[str, ...] = ()


def _api(graph: str, metric: str, statistic: str, label: str) -> Row:
    return Row(graph, API, metric, statistic, (("ApiName", "${AWS::StackName}"), ("Stage", "${Stage}")), label)


def _of_function(graph: str, metric: str, statistic: str, name: str, label: str) -> Row:
    return Row(graph, FUNCTIONS, metric, statistic, (("FunctionName", f"${{{name}Function}}"),), label)


def _of_queue(graph: str, metric: str, name: str) -> Row:
    return Row(graph, QUEUES, metric, "Maximum", (("QueueName", f"${{{name}Queue.QueueName}}"),), name)


def _of_table(graph: str, metric: str, label: str) -> Row:
    return Row(graph, TABLES, metric, "Sum", (("TableName", "${Table}"),), label)


def _of_account(graph: str, metric: str, statistic: str, label: str) -> Row:
    """Return a metric of all functions of the account and Region, which share its concurrency."""
    return Row(graph, FUNCTIONS, metric, statistic, (), label)


def _recorded(graph: str, metric: str, statistic: str, label: str, by: tuple[str, ...] = ()) -> Row:
    return Row(graph, OURS, metric, statistic, (("service", SERVICE),), label, by)


_HTTP, _HTTP_TIMES = "HTTP: requests and errors", "HTTP: ms to the answer"
_OUTCOMES, _PREDICT_TIMES = "Predictions and refusals", "Predictions: ms in the function, loading included"
_VERSIONS, _VERSIONS_FAILED = "Predictions by version", "Failures by version"
_ERRORS, _SHARED = "Functions: failed invocations", "Functions: concurrency and throttles of the account"
_DURATIONS, _BATCHES = "Functions: ms, p95", "Batches and webhooks"
_AGES, _DEAD = "Queues: s that the oldest message waits", "Dead-letter queues: messages"
_CAPACITY = "Table: units used and throttled"

ROWS = (
    _api(_HTTP, "Count", "Sum", "requests"),
    _api(_HTTP, "4XXError", "Sum", "4xx: refused, 429 among them"),
    _api(_HTTP, "5XXError", "Sum", "5xx"),
    *(_api(_HTTP_TIMES, "Latency", each, each) for each in _TIMES),
    _api(_HTTP_TIMES, "IntegrationLatency", "p95", "p95 in Lambda"),
    _recorded(_OUTCOMES, ours.REQUESTS, "Sum", "requests"),
    _recorded(_OUTCOMES, ours.PREDICTIONS, "Sum", "predictions"),
    _recorded(_OUTCOMES, ours.REFUSED, "Sum", "refused"),
    _recorded(_OUTCOMES, ours.RECORDED_FAILURES, "Sum", "failed items"),
    *(_recorded(_PREDICT_TIMES, ours.PREDICT_LATENCY, each, each) for each in _TIMES),
    _recorded(_VERSIONS, ours.PREDICTIONS, "Sum", "predictions", by=("model",)),
    _recorded(_VERSIONS_FAILED, ours.FAILED, "Sum", "failed", by=("model",)),
    *(_of_function(_ERRORS, "Errors", "Sum", name, name) for name in FUNCTION_NAMES),
    _of_account(_SHARED, "ConcurrentExecutions", "Maximum", "at once"),
    _of_account(_SHARED, "Throttles", "Sum", "throttled"),
    _of_function(_SHARED, "RecursiveInvocationsDropped", "Sum", "Infer", "Infer, stopped as a loop"),
    *(_of_function(_DURATIONS, "Duration", "p95", name, name) for name in MODEL_FUNCTION_NAMES),
    _recorded(_BATCHES, ours.JOBS_ACCEPTED, "Sum", "jobs"),
    _recorded(_BATCHES, ours.WEBHOOKS_GIVEN_UP, "Sum", "webhooks given up"),
    *(_of_queue(_AGES, "ApproximateAgeOfOldestMessage", name) for name in QUEUE_NAMES),
    *(_of_queue(_DEAD, "ApproximateNumberOfMessagesVisible", name) for name in DEAD_LETTER_QUEUE_NAMES),
    _recorded(_DEAD, ours.DEAD_LETTERS_RECORDED, "Sum", "recorded for their owners"),
    _recorded(_DEAD, ours.DEAD_LETTERS_UNRECORDED, "Sum", "nobody is told of yet"),
    _of_table(_CAPACITY, "ConsumedReadCapacityUnits", "read"),
    _of_table(_CAPACITY, "ConsumedWriteCapacityUnits", "written"),
    _of_table(_CAPACITY, "ReadThrottleEvents", "reads throttled"),
    _of_table(_CAPACITY, "WriteThrottleEvents", "writes throttled"),
)
