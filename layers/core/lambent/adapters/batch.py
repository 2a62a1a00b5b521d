"""JobRunner on AWS Batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambent.adapters.aws_errors import translate

# Roles may stop the jobs that carry their stack's name under it, and no others of the account.
STACK_TAG = "lambent:stack"


class BatchJobRunner:
    """One AWS Batch job queue and job definition of the stack ``stack_name``."""

    def __init__(self, client: Any, *, job_queue: str, job_definition: str, stack_name: str) -> None:
        self._client = client
        self._job_queue = job_queue
        self._job_definition = job_definition
        self._stack_name = stack_name

    def submit(self, name: str, *, shards: int, parameters: Mapping[str, str]) -> str:
        """Start a job; one shard is a plain job, since AWS Batch's arrays begin at two."""
        array = {"arrayProperties": {"size": shards}} if shards > 1 else {}
        with translate("container service"):
            answer = self._client.submit_job(
                jobName=name,
                jobQueue=self._job_queue,
                jobDefinition=self._job_definition,
                parameters=dict(parameters),
                tags={STACK_TAG: self._stack_name},
                **array,
            )
        return str(answer["jobId"])

    def find(self, name: str) -> str | None:
        """Return the id of a job submitted under this name, if there is one."""
        filters = [{"name": "JOB_NAME", "values": [name]}]
        with translate("container service"):
            for page in self._client.get_paginator("list_jobs").paginate(jobQueue=self._job_queue, filters=filters):
                for summary in page["jobSummaryList"]:
                    if summary["jobName"] == name:
                        return str(summary["jobId"])
        return None

    def status(self, batch_job_id: str) -> str | None:
        """Return the job's AWS Batch status, or None once the service has forgotten it."""
        with translate("container service"):
            answer = self._client.describe_jobs(jobs=[batch_job_id])
        jobs = answer.get("jobs", [])
        return str(jobs[0]["status"]) if jobs else None

    def terminate(self, batch_job_id: str, *, reason: str) -> None:
        """Stop a job and all its children, whether they run or wait."""
        with translate("container service"):
            self._client.terminate_job(jobId=batch_job_id, reason=reason)
