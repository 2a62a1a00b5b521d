"""JobCatalogue on Amazon DynamoDB: the index TenantJobs, ``JOBS#{tenant}`` by the time that a job was created.

The index holds what a list tells and no more: a job's request alone can be 64 KB.
"""

from __future__ import annotations

from typing import Any

from lambent.adapters.aws_errors import translate
from lambent.domain.job import JobKind
from lambent.domain.job_list import JobFilter, JobList, JobPlace, JobSummary
from lambent.domain.job_states import JobState

INDEX = "TenantJobs"
# What a filter passes over is read and paid for all the same: 1,000 rows are about 300 KB.
_MAX_ROWS_READ = 1_000


class DynamoJobCatalogue:
    """The jobs' rows of the table, by tenant."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def jobs(self, tenant: str, wanted: JobFilter, *, limit: int, after: JobPlace | None) -> JobList:
        """Return some of a tenant's jobs, the newest first; see ports.JobCatalogue."""
        found: list[JobSummary] = []
        rows_read, place = 0, after
        while rows_read < _MAX_ROWS_READ:
            page = self._query(tenant, wanted, after=place, rows=max(limit, _MAX_ROWS_READ // 4))
            found += [_summary(row) for row in page["Items"]]
            rows_read += page["ScannedCount"]
            last = page.get("LastEvaluatedKey")
            place = _place(last) if last is not None else None
            if len(found) > limit:
                kept = found[:limit]
                return JobList(kept, JobPlace(kept[-1].created_at, kept[-1].job_id))
            if place is None or len(found) == limit:
                break
        return JobList(found, place)

    def in_cpu_lane(self, tenant: str) -> frozenset[str]:
        """Return which of a tenant's newest jobs run, or are about to, on the CPU lane; see ports.JobCatalogue."""
        with translate("job ledger"):
            page = self._table.query(
                IndexName=INDEX,
                KeyConditionExpression="tenant_pk = :tenant",
                FilterExpression="lane = :lane AND #state IN (:planned, :running)",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues={
                    ":tenant": tenant_pk(tenant),
                    ":lane": "cpu",
                    ":planned": JobState.PLANNED.value,
                    ":running": JobState.RUNNING.value,
                },
                ScanIndexForward=False,
                Limit=_MAX_ROWS_READ // 4,
            )
        return frozenset(row["job_id"] for row in page["Items"])

    def _query(self, tenant: str, wanted: JobFilter, *, after: JobPlace | None, rows: int) -> dict[str, Any]:
        condition, values = "tenant_pk = :tenant", {":tenant": tenant_pk(tenant)}
        if wanted.created_after is not None:
            condition, values[":after"] = f"{condition} AND created_at > :after", wanted.created_after
        arguments: dict[str, Any] = {
            "IndexName": INDEX,
            "KeyConditionExpression": condition,
            "ScanIndexForward": False,
            "Limit": rows,
        }
        fields = {"state": wanted.state, "kind": wanted.kind, "model": wanted.model}
        asked = {name: str(value) for name, value in fields.items() if value is not None}
        if asked:
            arguments["FilterExpression"] = " AND ".join(f"#{name} = :{name}" for name in asked)
            arguments["ExpressionAttributeNames"] = {f"#{name}": name for name in asked}
        if after is not None:
            arguments["ExclusiveStartKey"] = _start_key(tenant, after)
        arguments["ExpressionAttributeValues"] = {**values, **{f":{name}": value for name, value in asked.items()}}
        with translate("job ledger"):
            page: dict[str, Any] = self._table.query(**arguments)
        return page


def tenant_pk(tenant: str) -> str:
    """Return the index's partition of a tenant's jobs."""
    return f"JOBS#{tenant}"


def _start_key(tenant: str, after: JobPlace) -> dict[str, str]:
    return {
        "tenant_pk": tenant_pk(tenant),
        "created_at": after.created_at,
        "pk": f"JOB#{tenant}#{after.job_id}",
        "sk": "JOB",
    }


def _place(key: dict[str, Any]) -> JobPlace:
    return JobPlace(key["created_at"], key["pk"].rpartition("#")[2])


def _summary(row: dict[str, Any]) -> JobSummary:
    numbers = {name: int(row[name]) if row.get(name) is not None else None for name in ("version", "total")}
    counted = {name: row.get(f"final_{name}") for name in ("done", "failed")}
    return JobSummary(
        job_id=row["job_id"],
        kind=JobKind(row.get("kind", JobKind.BATCH)),
        state=JobState(row["state"]),
        model=row["model"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=numbers["version"],
        lane=row.get("lane"),
        total=numbers["total"],
        done=None if counted["done"] is None else int(counted["done"]),
        failed=None if counted["failed"] is None else int(counted["failed"]),
    )
