"""Notifier on Amazon SNS."""

from __future__ import annotations

from typing import Any

import orjson

from lambent.adapters.aws_errors import translate
from lambent.domain.notification import Notice


class SnsNotifier:
    """One SNS topic. Subscriptions can filter by the attributes ``tenant``, ``state`` and ``model``."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def announce(self, notice: Notice) -> None:
        """Publish the event as JSON."""
        data = notice.event.data
        filters = {"tenant": notice.tenant, "state": data.state, "model": data.model}
        with translate("notification topic"):
            self._client.publish(
                TopicArn=self._topic_arn,
                Subject=notice.subject,
                Message=orjson.dumps(notice.to_dict()).decode(),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in filters.items()
                },
            )
