"""How often an event has run each function already: what Lambda's guard against endless loops counts.

The count travels in the trace header: Lambda gives it to the function, the SDK puts it on every call that the function
makes, and SQS, SNS, S3 and Lambda's own Invoke hand it on. EventBridge and DynamoDB do not.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

MAX_RUNS = 16
TRACE_HEADER = "X-Amzn-Trace-Id"
# The attribute of a message that holds the header of the call that sent it.
TRACE_ATTRIBUTE = "AWSTraceHeader"
_FIELD = "Lineage="


@dataclass(frozen=True)
class Lineage:
    """Runs of each function that one event has caused, by a short hash of the function's ARN."""

    runs: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, headers: Iterable[str | None]) -> Lineage:
        """Read trace headers; of several, those of a batch's messages, the longest chain counts.

        AWS does not say how it counts batches; a shorter one would let through here what may be stopped there.
        """
        runs: dict[str, int] = {}
        for header in headers:
            for name, count in _counts(header or ""):
                runs[name] = max(count, runs.get(name, 0))
        return cls(runs)

    def runs_of(self, function_arn: str) -> int:
        """Return how often the event has run a function."""
        return self.runs.get(_hash(function_arn), 0)

    def after(self, function_arn: str) -> Lineage:
        """Return what is told to a function about its own run."""
        return Lineage({**self.runs, _hash(function_arn): self.runs_of(function_arn) + 1})

    def __str__(self) -> str:
        """Return the field of the trace header."""
        return _FIELD + "|".join(f"{name}:{count}" for name, count in self.runs.items())


NEW_EVENT = Lineage()


def _hash(function_arn: str) -> str:
    return f"{zlib.crc32(function_arn.encode()):08x}"


def _counts(header: str) -> Iterable[tuple[str, int]]:
    fields = (part for part in unquote(header).split(";") if part.startswith(_FIELD))
    for entry in next(fields, _FIELD).removeprefix(_FIELD).split("|"):
        name, _, count = entry.partition(":")
        if count.isdecimal():
            yield name, int(count)
