"""AWS Batch's job calls as the API takes them: SubmitJob, DescribeJobs, ListJobs, TerminateJob, CancelJob."""

from __future__ import annotations

from typing import Any

from lambent_toolkit.sandbox.aws_calls import AwsCallFailed, AwsCalls
from lambent_toolkit.sandbox.batch_engine import BatchEngine, new_job_id
from lambent_toolkit.sandbox.batch_job import Job, RetryStrategy

MIN_ARRAY, MAX_ARRAY = 2, 10_000
PAGE = 100


class BatchClientError(Exception):
    """The caller asked for something wrong; AWS calls it ClientException."""


class BatchApi:
    """Answers the calls that the storage hands over.

    Parameters
    ----------
    engine : BatchEngine
    aws : AwsCalls      for job definitions and queues, which the storage keeps
    """

    def __init__(self, engine: BatchEngine, aws: AwsCalls) -> None:
        self._engine, self._aws = engine, aws

    async def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Answer one call.

        Parameters
        ----------
        operation : str    last part of the path, e.g. submitjob

        Raises
        ------
        BatchClientError   AWS would refuse it
        """
        if operation == "submitjob":
            return await self._submit(payload)
        if operation == "describejobs":
            return {"jobs": [job.describe() for job in map(self._engine.find, payload.get("jobs", [])) if job]}
        if operation == "listjobs":
            return await self._list(payload)
        job = self._engine.find(payload.get("jobId", ""))
        if job is None:  # AWS answers 200 for a job that it does not know
            return {}
        stop = self._engine.terminate if operation == "terminatejob" else self._engine.cancel
        stop(job, _required(payload, "reason"))
        return {}

    async def _submit(self, payload: dict[str, Any]) -> dict[str, Any]:
        definition = await self._definition(_required(payload, "jobDefinition"))
        queue_arn = await self._queue_arn(_required(payload, "jobQueue"))
        size = (payload.get("arrayProperties") or {}).get("size")
        if size is not None and not MIN_ARRAY <= size <= MAX_ARRAY:
            raise BatchClientError(f"Array size must be between {MIN_ARRAY} and {MAX_ARRAY}.")
        timeout = payload.get("timeout") or definition.get("timeout") or {}
        job = Job(
            job_id=new_job_id(),
            name=_required(payload, "jobName"),
            queue_arn=queue_arn,
            definition_arn=definition["jobDefinitionArn"],
            container=override(definition.get("containerProperties", {}), payload.get("containerOverrides") or {}),
            parameters={**definition.get("parameters", {}), **(payload.get("parameters") or {})},
            retry=RetryStrategy.read(payload.get("retryStrategy") or definition.get("retryStrategy")),
            timeout_s=timeout.get("attemptDurationSeconds"),
            depends_on=payload.get("dependsOn") or [],
            tags=payload.get("tags") or {},
        )
        self._engine.submit(job, size)
        return {"jobArn": job.arn, "jobName": job.name, "jobId": job.job_id}

    async def _definition(self, name: str) -> dict[str, Any]:
        # A name with a revision, or an ARN, is one definition; a bare name is its newest revision.
        is_exact = ":" in name
        query = {"jobDefinitions": [name]} if is_exact else {"jobDefinitionName": name}
        found = await self._storage("/v1/describejobdefinitions", query, "jobDefinitions")
        active = [each for each in found if each.get("status", "ACTIVE") == "ACTIVE"]
        if not active:
            raise BatchClientError(f"Job definition not found: {name}")
        return max(active, key=lambda each: int(each["revision"]))

    async def _queue_arn(self, name: str) -> str:
        found = await self._storage("/v1/describejobqueues", {"jobQueues": [name]}, "jobQueues")
        if not found:
            raise BatchClientError(f"Job queue {name} does not exist.")
        return str(found[0]["jobQueueArn"])

    async def _storage(self, path: str, query: dict[str, Any], key: str) -> list[dict[str, Any]]:
        try:
            return list((await self._aws.post("batch", path, query))[key])
        except AwsCallFailed as exc:
            raise BatchClientError(str(exc)) from exc

    async def _list(self, payload: dict[str, Any]) -> dict[str, Any]:
        jobs = await self._listed(payload)
        start, count = int(payload.get("nextToken") or 0), int(payload.get("maxResults") or PAGE)
        page: dict[str, Any] = {"jobSummaryList": [job.summary() for job in jobs[start : start + count]]}
        if start + count < len(jobs):
            page["nextToken"] = str(start + count)
        return page

    async def _listed(self, payload: dict[str, Any]) -> list[Job]:
        """Return the wanted jobs, the newest first; a filter makes jobStatus count for nothing, as on AWS."""
        if array_id := payload.get("arrayJobId"):
            parent = self._engine.find(array_id)
            candidates = list(parent.children) if parent else []
        else:
            queue_arn = await self._queue_arn(_required(payload, "jobQueue"))
            tops = [job for job in self._engine.jobs() if job.index is None and job.queue_arn == queue_arn]
            candidates = tops[::-1]
        filters = payload.get("filters") or []
        if filters:
            return [job for job in candidates if all(_matches(job, each) for each in filters)]
        status = payload.get("jobStatus") or "RUNNING"
        return [job for job in candidates if job.status == status]


def override(container: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Merge containerOverrides into a definition's containerProperties."""
    merged = {**container}
    if "command" in overrides:
        merged["command"] = overrides["command"]
    for name, key in (("environment", "name"), ("resourceRequirements", "type")):
        entries = {each[key]: each for each in container.get(name, [])}
        merged[name] = list((entries | {each[key]: each for each in overrides.get(name, [])}).values())
    return merged


def _matches(job: Job, wanted: dict[str, Any]) -> bool:
    values = {"JOB_NAME": job.name, "JOB_DEFINITION": job.definition_arn.rpartition("/")[2]}
    if wanted.get("name") not in values:
        raise BatchClientError(f"Filter {wanted.get('name')} is not known to the local stack.")
    value = values[wanted["name"]].lower()
    return any(
        value.startswith(each[:-1].lower()) if each.endswith("*") else value == each.lower()
        for each in wanted.get("values", [])
    )


def _required(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    if not value:
        raise BatchClientError(f"{name} must not be empty.")
    return str(value)
