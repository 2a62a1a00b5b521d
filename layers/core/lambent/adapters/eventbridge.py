"""Notifier on Amazon EventBridge."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from lambent.adapters.aws_errors import translate
from lambent.domain.notification import Notice
from lambent.errors import Unavailable

SOURCE = "lambent.jobs"
DETAIL_TYPE = "Lambent Job State Change"


class EventBridgeNotifier:
    """The account's default bus."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def announce(self, notice: Notice) -> None:
        """Put the event on the bus."""
        entry = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Time": datetime.fromisoformat(notice.event.timestamp),
            "Detail": orjson.dumps(notice.to_dict()).decode(),
        }
        with translate("event bus"):
            answer = self._client.put_events(Entries=[entry])
        # The call answers 200 even when the event was refused.
        if answer.get("FailedEntryCount"):
            raise Unavailable("The event bus did not take the event; try again.")
