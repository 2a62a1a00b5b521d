"""Notifier on Amazon SNS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from lambent.adapters.aws_errors import translate


class SnsNotifier:
    """One SNS topic."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def announce(self, subject: str, message: Mapping[str, Any]) -> None:
        """Publish the message as JSON."""
        with translate("notification topic"):
            self._client.publish(
                TopicArn=self._topic_arn, Subject=subject[:100], Message=orjson.dumps(dict(message)).decode()
            )
