"""A GPU lane that plays what a test has written down: a description of the job for every look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from lambent_toolkit.fakes import FakeObjectStore
from lambent_toolkit.remote.lane import Lane

JOB = "b-1"
STREAM = "training/default/1"


def job(status: str, *ended: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a description with the attempts that have ended, and a running one."""
    running = [{"container": {"logStreamName": STREAM}}] if status == "RUNNING" else []
    return {"jobId": JOB, "status": status, "attempts": [*ended, *running], "container": {}, **more}


def attempt(exit_code: int | None = None, *, reason: str = "", stream: str = STREAM) -> dict[str, Any]:
    """Return an attempt that has ended."""
    container: dict[str, Any] = {"logStreamName": stream}
    if exit_code is not None:
        container["exitCode"] = exit_code
    if reason:
        container["reason"] = reason
    return {"container": container, "stoppedAt": 1, "statusReason": "Essential container in task exited"}


@dataclass
class ScriptedBatch:
    """AWS Batch of one job."""

    looks: list[dict[str, Any]] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    on_submit: Callable[[dict[str, str]], None] = lambda _parameters: None

    def submit_job(self, **arguments: Any) -> dict[str, str]:
        self.submitted.append(arguments)
        self.on_submit(arguments["parameters"])
        return {"jobId": JOB}

    def list_jobs(self, filters: list[dict[str, Any]], **_queue: str) -> dict[str, Any]:
        names = [arguments["jobName"] for arguments in self.submitted]
        return {"jobSummaryList": [{"jobName": name, "jobId": JOB} for name in names if name in filters[0]["values"]]}

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        seen = self.looks.pop(0) if len(self.looks) > 1 else next(iter(self.looks), None)
        return {"jobs": [seen] if seen and JOB in jobs else []}

    def terminate_job(self, jobId: str, reason: str) -> None:  # noqa: N803 - AWS's name
        self.ended.append((jobId, reason))


@dataclass
class ScriptedLogs:
    """CloudWatch Logs: each stream tells its next lines at every look, after ``away`` looks that are not answered."""

    streams: dict[str, list[list[str]]] = field(default_factory=dict)
    away: int = 0

    def get_log_events(self, logStreamName: str, nextToken: str = "0", **_more: Any) -> dict[str, Any]:  # noqa: N803
        if self.away:
            self.away -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetLogEvents")
        if logStreamName not in self.streams:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetLogEvents")
        told, place = self.streams[logStreamName], int(nextToken)
        lines = told[place] if place < len(told) else []
        return {
            "events": [{"message": line} for line in lines],
            "nextForwardToken": str(min(place + 1, len(told))),
        }


def lane(batch: ScriptedBatch, logs: ScriptedLogs | None = None) -> Lane:
    """Return a lane on these."""
    return Lane(
        batch,
        logs or ScriptedLogs(),
        job_queue="queue",
        job_definition="definition",
        log_group="group",
        stack_name="stack",
    )


@dataclass
class Heard:
    """Listener that remembers, in one list: states as they are, lines after a "|"."""

    told: list[str] = field(default_factory=list)

    def state(self, told: str) -> None:
        self.told.append(told)

    def line(self, text: str) -> None:
        self.told.append(f"|{text}")


class FakeRunStore(FakeObjectStore):
    """A bucket that takes files."""

    def upload(self, key: str, path: Path) -> None:
        self.write(key, path.read_bytes(), content_type="application/zip")
