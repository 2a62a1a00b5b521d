"""What a deployed stack's functions and containers have logged, read from CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambent_toolkit.sandbox.function_spec import short_name
from lambent_toolkit.stacks.deployed import DeployedStack
from lambent_toolkit.stacks.errors import telling_aws_errors

_SUFFIX = "LogGroup"


@dataclass(frozen=True)
class LogEvent:
    """One line of a log: of which function, when in milliseconds since 1970, and its text."""

    source: str
    at_ms: int
    text: str


class DeployedLogs:
    """The log groups of a stack, by the names that `lambent logs` takes: predict, job_events, batch_worker."""

    def __init__(self, stack: DeployedStack) -> None:
        self._client = stack.client("logs")
        self.groups = {
            short_name(logical_id.removesuffix(_SUFFIX)): physical_id
            for logical_id, physical_id in sorted(stack.resources.items())
            if logical_id.endswith(_SUFFIX)
        }
        self._seen: dict[str, int] = {}

    def new_events(self, name: str, since_ms: int) -> Iterator[LogEvent]:
        """Yield what one group has logged since a time, in its order, each event once over all calls.

        Parameters
        ----------
        since_ms   milliseconds since 1970. Events arrive late, some of them before others that were read already: a
                   reader that follows asks again for the last minute.

        Raises
        ------
        StackError
        """
        pages = self._client.get_paginator("filter_log_events")
        with telling_aws_errors():
            for page in pages.paginate(logGroupName=self.groups[name], startTime=since_ms):
                for event in page["events"]:
                    if event["eventId"] not in self._seen:
                        self._seen[event["eventId"]] = event["timestamp"]
                        yield LogEvent(name, event["timestamp"], event["message"].rstrip("\n"))

    def forget(self, before_ms: int) -> None:
        """Forget which events were told that lie before a time, from which nothing is asked for any more."""
        self._seen = {event: at for event, at in self._seen.items() if at >= before_ms}
