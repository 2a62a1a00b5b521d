"""AWS clients, made once a process."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session

from lambent.adapters.dynamodb_table import DynamoTable

# Standard mode retries throttling with back-off; short timeouts leave room for a retry inside a function's deadline.
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=3, read_timeout=10)
# Links to S3 must be signed by Signature Version 4; left to itself the SDK takes an older one for some regions.
_CONFIGS = {"s3": _CONFIG.merge(Config(signature_version="s3v4"))}


@cache
def _session() -> Session:
    return Session()


@cache
def client(service: str) -> Any:
    """Return the process's client of an AWS service; endpoint and region come from the SDK's own variables."""
    return _session().create_client(service, config=_CONFIGS.get(service, _CONFIG))


@cache
def table(name: str) -> DynamoTable:
    """Return the process's handle of a DynamoDB table."""
    return DynamoTable(client("dynamodb"), name)
