"""LaneWatch on AWS Batch: one job's condition in at most six calls, none of which changes anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from lambent.adapters.aws_errors import translate
from lambent.domain.waiting import ComputeEnvironment, LaneCondition, QueueBlock

_WHAT = "container service"
# Of those that wait before a job, so many are counted, of each of two statuses.
_MAX_COUNTED = 200
_GONE: dict[str, Any] = {"state": "DISABLED", "status": "DELETED", "computeEnvironmentOrder": []}
# An array's own job is PENDING while its children wait and run.
_WAITING = ("PENDING", "RUNNABLE")


class BatchLane:
    """One AWS Batch job queue; ``make_client`` is called once somebody asks."""

    def __init__(self, make_client: Callable[[], Any], *, job_queue: str) -> None:
        self._make_client = make_client
        self._job_queue = job_queue

    @cached_property
    def _client(self) -> Any:
        return self._make_client()

    def condition(self, batch_job_id: str, *, block: QueueBlock | None) -> LaneCondition | None:
        """Return the job's condition and its lane's; see ports.LaneWatch."""
        with translate(_WHAT):
            jobs = self._describe([batch_job_id, *([block.batch_job_id] if block is not None else [])])
            job = jobs.get(batch_job_id)
            if job is None:
                return None
            child = self._waiting_child(job)
            ahead, is_at_least = self._ahead(job)
            queues = self._client.describe_job_queues(jobQueues=[self._job_queue])["jobQueues"]
            queue = queues[0] if queues else _GONE
            blocking = jobs.get(block.batch_job_id) if block is not None else None
            return LaneCondition(
                status=child["status"],
                reason=child.get("statusReason") or "",
                container_reason=_container_reason(child),
                jobs_ahead=ahead,
                is_at_least=is_at_least,
                queue_state=queue["state"],
                queue_status=queue.get("status") or "VALID",
                queue_reason=queue.get("statusReason") or "",
                environments=self._environments(queue),
                blocked_by=_block_reason(block, blocking),
            )

    def _describe(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        found = self._client.describe_jobs(jobs=sorted(set(ids)))["jobs"]
        return {job["jobId"]: job for job in found}

    def _waiting_child(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return what says most of an array: that some run, else the first that starts or waits, else itself."""
        counts = job.get("arrayProperties", {}).get("statusSummary") or {}
        if counts.get("RUNNING"):
            return {**job, "status": "RUNNING"}
        for status in ("STARTING", "RUNNABLE"):
            if counts.get(status):
                page = self._client.list_jobs(arrayJobId=job["jobId"], jobStatus=status, maxResults=1)
                if page["jobSummaryList"]:
                    child = page["jobSummaryList"][0]["jobId"]
                    return self._describe([child]).get(child, job)
        return job

    def _ahead(self, job: dict[str, Any]) -> tuple[int, bool]:
        """Return how many older jobs wait in the queue, and whether there may be more than that."""
        ahead, is_cut = 0, False
        for status in _WAITING:
            pages = self._client.get_paginator("list_jobs").paginate(
                jobQueue=self._job_queue, jobStatus=status, PaginationConfig={"MaxItems": _MAX_COUNTED}
            )
            listed = [each for page in pages for each in page["jobSummaryList"]]
            ahead += sum(_is_older(each, job) for each in listed)
            is_cut = is_cut or len(listed) == _MAX_COUNTED
        return ahead, is_cut

    def _environments(self, queue: dict[str, Any]) -> tuple[ComputeEnvironment, ...]:
        arns = [each["computeEnvironment"] for each in sorted(queue["computeEnvironmentOrder"], key=_order)]
        if not arns:
            return ()
        answer = self._client.describe_compute_environments(computeEnvironments=arns)
        found = {each["computeEnvironmentArn"]: each for each in answer["computeEnvironments"]}
        return tuple(_environment(found[arn]) for arn in arns if arn in found)


def _order(entry: dict[str, Any]) -> int:
    return int(entry["order"])


def _is_older(other: dict[str, Any], job: dict[str, Any]) -> bool:
    return bool(other["jobId"] != job["jobId"] and other["createdAt"] < job["createdAt"])


def _environment(found: dict[str, Any]) -> ComputeEnvironment:
    resources = found.get("computeResources") or {}
    return ComputeEnvironment(
        state=found["state"],
        status=found.get("status") or "VALID",
        reason=found.get("statusReason") or "",
        desired_vcpus=resources.get("desiredvCpus"),
        max_vcpus=resources.get("maxvCpus"),
    )


def _container_reason(job: dict[str, Any]) -> str:
    attempts = job.get("attempts") or []
    last = attempts[-1].get("container", {}) if attempts else {}
    return str(job.get("container", {}).get("reason") or last.get("reason") or "")


def _block_reason(block: QueueBlock | None, blocking: dict[str, Any] | None) -> str | None:
    """Return why a queue is blocked, as long as the job that blocks it waits still."""
    if block is None or blocking is None or blocking["status"] != "RUNNABLE":
        return None
    return blocking.get("statusReason") or block.reason
