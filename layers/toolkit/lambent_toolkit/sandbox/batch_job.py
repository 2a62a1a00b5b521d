"""State of AWS Batch jobs, and how DescribeJobs, ListJobs and the events show it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

FINAL = {"SUCCEEDED", "FAILED"}
BEFORE_START = {"SUBMITTED", "PENDING", "RUNNABLE"}


def now_ms() -> int:
    """Return the wall clock in milliseconds, as Batch counts time."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class RetryRule:
    """One entry of evaluateOnExit; a pattern may end in `*`, and None does not ask."""

    action: str
    on_exit_code: str | None = None
    on_reason: str | None = None
    on_status_reason: str | None = None

    def matches(self, exit_code: int | None, reason: str, status_reason: str) -> bool:
        """Tell whether every pattern of the rule matches; a missing value matches none but `*`."""
        values = (
            (self.on_exit_code, "" if exit_code is None else str(exit_code)),
            (self.on_reason, reason),
            (self.on_status_reason, status_reason),
        )
        return all(pattern is None or _glob(pattern, value) for pattern, value in values)


def _glob(pattern: str, value: str) -> bool:
    pattern, value = pattern.lower(), value.lower()
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


@dataclass(frozen=True)
class RetryStrategy:
    """How often, and after which ends, a job is tried again."""

    attempts: int = 1
    rules: tuple[RetryRule, ...] = ()

    def should_retry(self, tried: int, exit_code: int | None, reason: str, status_reason: str) -> bool:
        """Decide after attempt number `tried`; when no rule matches, AWS Batch retries."""
        if tried >= self.attempts:
            return False
        rule = next((each for each in self.rules if each.matches(exit_code, reason, status_reason)), None)
        return rule is None or rule.action == "RETRY"

    @classmethod
    def read(cls, value: dict[str, Any] | None) -> RetryStrategy:
        """Read a retryStrategy of the API."""
        value = value or {}
        rules = tuple(
            RetryRule(
                str(each["action"]).upper(), each.get("onExitCode"), each.get("onReason"), each.get("onStatusReason")
            )
            for each in value.get("evaluateOnExit", [])
        )
        return cls(int(value.get("attempts", 1)), rules)


@dataclass
class Attempt:
    """One run of the container."""

    started_ms: int
    log_stream: str
    stopped_ms: int | None = None
    exit_code: int | None = None
    reason: str = ""
    status_reason: str = ""

    def describe(self) -> dict[str, Any]:
        """Return an entry of `attempts`."""
        container: dict[str, Any] = {"logStreamName": self.log_stream, "networkInterfaces": []}
        if self.exit_code is not None:
            container["exitCode"] = self.exit_code
        if self.reason:
            container["reason"] = self.reason
        return {
            "container": container,
            "startedAt": self.started_ms,
            "stoppedAt": self.stopped_ms,
            "statusReason": self.status_reason,
        }


@dataclass
class Job:
    """A job, an array parent, or one child of an array."""

    job_id: str
    name: str
    queue_arn: str
    definition_arn: str
    container: dict[str, Any]
    parameters: dict[str, str]
    retry: RetryStrategy
    timeout_s: int | None
    depends_on: list[dict[str, str]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    index: int | None = None
    children: list[Job] = field(default_factory=list)
    status: str = "SUBMITTED"
    status_reason: str | None = None
    created_ms: int = field(default_factory=now_ms)
    started_ms: int | None = None
    stopped_ms: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    is_cancelled: bool = False
    is_terminated: bool = False
    stop_reason: str | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return f"arn:aws:batch:{REGION}:{ACCOUNT_ID}:job/{self.job_id}"

    @property
    def is_final(self) -> bool:
        """SUCCEEDED or FAILED."""
        return self.status in FINAL

    def command(self) -> list[str]:
        """Return the container's command with `Ref::name` replaced by parameters."""
        return [substitute(word, self.parameters) for word in self.container.get("command", [])]

    def array_properties(self) -> dict[str, Any] | None:
        """Return arrayProperties of a parent or a child."""
        if self.index is not None:
            return {"index": self.index, "statusSummary": {}, "statusSummaryLastUpdatedAt": now_ms()}
        if self.children:
            counts = Counter(child.status for child in self.children)
            states = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
            summary = {state: counts.get(state, 0) for state in states}
            return {"size": len(self.children), "statusSummary": summary, "statusSummaryLastUpdatedAt": now_ms()}
        return None

    def summary(self) -> dict[str, Any]:
        """Return an entry of ListJobs."""
        last = self.attempts[-1] if self.attempts else None
        container = {"exitCode": last.exit_code, "reason": last.reason or None} if last else {}
        return _without_none(
            {
                "jobArn": self.arn,
                "jobId": self.job_id,
                "jobName": self.name,
                "createdAt": self.created_ms,
                "status": self.status,
                "statusReason": self.status_reason,
                "startedAt": self.started_ms,
                "stoppedAt": self.stopped_ms,
                "container": _without_none(container) or None,
                "arrayProperties": self.array_properties(),
                "jobDefinition": self.definition_arn,
            }
        )

    def describe(self) -> dict[str, Any]:
        """Return an entry of DescribeJobs, which is the `detail` of an event as well."""
        last = self.attempts[-1] if self.attempts else None
        container = {**self.container, "command": self.command()}
        if last is not None:
            container |= _without_none(
                {"exitCode": last.exit_code, "reason": last.reason or None, "logStreamName": last.log_stream}
            )
        return {
            **self.summary(),
            "jobQueue": self.queue_arn,
            "attempts": [attempt.describe() for attempt in self.attempts],
            "retryStrategy": {"attempts": self.retry.attempts, "evaluateOnExit": [_rule(r) for r in self.retry.rules]},
            "dependsOn": self.depends_on,
            "parameters": self.parameters,
            "container": container,
            "tags": self.tags,
            "platformCapabilities": ["EC2"],
            "isCancelled": self.is_cancelled,
            "isTerminated": self.is_terminated,
            **({"timeout": {"attemptDurationSeconds": self.timeout_s}} if self.timeout_s else {}),
        }


def substitute(word: str, parameters: dict[str, str]) -> str:
    """Replace a word `Ref::name` by its parameter; Batch replaces whole words only."""
    name = word.removeprefix("Ref::")
    return parameters.get(name, word) if name != word else word


def _rule(rule: RetryRule) -> dict[str, str]:
    return _without_none(
        {
            "action": rule.action.lower(),
            "onExitCode": rule.on_exit_code,
            "onReason": rule.on_reason,
            "onStatusReason": rule.on_status_reason,
        }
    )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
