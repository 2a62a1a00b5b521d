"""boto3 clients, made once a process."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# Standard mode retries throttling with back-off; short timeouts leave room for a retry inside a function's deadline.
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=3, read_timeout=10)


@cache
def client(service: str) -> Any:
    """Return the process's client of an AWS service; endpoint and region come from boto3's own variables."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]


@cache
def table(name: str) -> Any:
    """Return the process's handle of a DynamoDB table."""
    return boto3.resource("dynamodb", config=_CONFIG).Table(name)
