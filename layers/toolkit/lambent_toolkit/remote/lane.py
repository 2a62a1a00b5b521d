"""The GPU lane of a stack, seen from an operator's machine: its job queue, the job definition of runs, the logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.adapters.batch import STACK_TAG
from lambent_toolkit.modelkit.errors import LaneMissing

if TYPE_CHECKING:
    from lambent_toolkit.stacks.stack import Stack

_SERVICE, _LOGS = "container service", "log store"
_NEEDED = {"BatchJobQueue": "job_queue", "TrainingJobDefinition": "job_definition", "BatchWorkerLogGroup": "log_group"}


@dataclass(frozen=True)
class LogLines:
    """What a log stream has to tell beyond a place in it, and the next place."""

    lines: list[str]
    token: str | None


class Lane:
    """AWS Batch and its logs.

    Parameters
    ----------
    batch, logs                            boto3 clients
    job_queue, job_definition, log_group   physical names
    stack_name                             what the jobs are tagged with
    """

    def __init__(
        self, batch: Any, logs: Any, *, job_queue: str, job_definition: str, log_group: str, stack_name: str
    ) -> None:
        self._batch, self._logs, self._tags = batch, logs, {STACK_TAG: stack_name}
        self._job_queue, self._job_definition, self._log_group = job_queue, job_definition, log_group

    @classmethod
    def of(cls, stack: Stack) -> Lane:
        """Return a stack's lane; raises LaneMissing."""
        if missing := [name for name in _NEEDED if not stack.resources.get(name)]:
            raise LaneMissing(
                f"This stack has no GPU lane (no {missing[0]}), on which jobs run: push the image of "
                "functions/batch_worker and deploy with it: sam deploy --parameter-overrides GpuEnabled=true "
                "WorkerImageUri=…"
            )
        names = {name: stack.resources[resource] for resource, name in _NEEDED.items()}
        return cls(stack.client("batch"), stack.client("logs"), stack_name=stack.name, **names)

    def submit(self, name: str, parameters: Mapping[str, str]) -> str:
        """Submit a job, and return AWS Batch's id; raises Unavailable, Misconfigured."""
        with translate(_SERVICE):
            answer = self._batch.submit_job(
                jobName=name,
                jobQueue=self._job_queue,
                jobDefinition=self._job_definition,
                parameters=dict(parameters),
                tags=self._tags,
            )
        return str(answer["jobId"])

    def find(self, name: str) -> str | None:
        """Return the id of a job of this name, if AWS Batch knows one still; raises Unavailable."""
        filters = [{"name": "JOB_NAME", "values": [name]}]
        with translate(_SERVICE):
            answer = self._batch.list_jobs(jobQueue=self._job_queue, filters=filters)
        return next((str(job["jobId"]) for job in answer["jobSummaryList"] if job["jobName"] == name), None)

    def describe(self, batch_job_ids: list[str]) -> dict[str, dict[str, Any]]:
        """Return AWS Batch's descriptions by id, of the jobs that it has not forgotten; raises Unavailable."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(batch_job_ids), 100):  # the most that one call takes
            with translate(_SERVICE):
                answer = self._batch.describe_jobs(jobs=batch_job_ids[start : start + 100])
            found |= {job["jobId"]: job for job in answer["jobs"]}
        return found

    def cancel(self, batch_job_id: str, reason: str) -> None:
        """End a job, whether it waits or runs; one that has ended stays as it is. Raises Unavailable."""
        with translate(_SERVICE):
            self._batch.terminate_job(jobId=batch_job_id, reason=reason)

    def read_log(self, stream: str, token: str | None) -> LogLines:
        """Return what a log stream has to tell from a place on; a stream that is not there yet has nothing."""
        place = {"nextToken": token} if token else {}
        with translate(_LOGS):
            try:
                answer = self._logs.get_log_events(
                    logGroupName=self._log_group, logStreamName=stream, startFromHead=True, **place
                )
            except ClientError as exc:
                if error_code(exc) == "ResourceNotFoundException":
                    return LogLines([], token)
                raise
        return LogLines([event["message"] for event in answer["events"]], answer["nextForwardToken"])
