"""The one logger, tracer and metrics of a function."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from lambent.errors import LambentError

logger = Logger()
metrics = Metrics()
tracer = Tracer()

REQUESTS = "Requests"
MESSAGES = "Messages"
PREDICTIONS = "Predictions"
PREDICT_LATENCY = "PredictLatency"
REFUSED = "Refused"
RECORDED_FAILURES = "RecordedFailures"
UPLOADS = "Uploads"
JOBS_ACCEPTED = "JobsAccepted"
JOB_EVENTS = "JobEvents"
SWEEPS = "Sweeps"


def count(metric: str) -> None:
    """Count one."""
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=1)


def milliseconds(metric: str, value_ms: float) -> None:
    """Record a duration."""
    metrics.add_metric(name=metric, unit=MetricUnit.Milliseconds, value=value_ms)


def log_refusal(message: str, error: LambentError) -> None:
    """Log an expected error: its code and place, never the content that caused it."""
    logger.warning(message, code=error.code, field=error.field, detail=error.detail)
    count(REFUSED)
