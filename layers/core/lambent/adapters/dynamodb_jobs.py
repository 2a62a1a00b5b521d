"""JobStore on Amazon DynamoDB.

Rows of a job share one partition, so one query reads the job and its shards:
``JOB#{tenant}#{job} / JOB`` and ``JOB#{tenant}#{job} / SHARD#00003``. Open jobs also stand in the sparse index
OpenJobs, and all jobs in TenantJobs, see `dynamodb_job_list`. A name that is tied to a job:
``CLAIM#{tenant}#{name} / CLAIM``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import orjson
from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.adapters.dynamodb_job_list import tenant_pk
from lambent.contracts.batch_request import DEFAULT_PRIORITY
from lambent.contracts.notifications import WEBHOOK_DELIVERED
from lambent.domain.job import Job, JobKind, ShardProgress, WebhookOutcome
from lambent.domain.job_states import OPEN_STATES, JobState

_WHAT = "job ledger"
_LOST_RACE = "ConditionalCheckFailedException"
_OPEN = "OPEN"
_PLAIN_FIELDS = (
    "tenant", "job_id", "model", "request", "request_sha256", "created_at", "updated_at", "lane", "why", "batch_job_id",
    "parent", "request_key",
)  # fmt: skip
# Objects, as one JSON text each.
_JSON_FIELDS = ("error", "estimate", "receipt")
_NUMBER_FIELDS = ("version", "total", "shards", "final_done", "final_failed", "concurrency", "width", "deadline_s")


class DynamoJobStore:
    """The jobs' rows of the table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def create(self, job: Job) -> bool:
        """Record a new job; return False if the tenant already has one of this id."""
        row = {
            **_key(job.tenant, job.job_id),
            **{name: getattr(job, name) for name in _PLAIN_FIELDS + _NUMBER_FIELDS if getattr(job, name) is not None},
            "kind": job.kind.value,
            "state": job.state.value,
            "priority": job.priority,
            "open_pk": _OPEN,
            "tenant_pk": tenant_pk(job.tenant),
            "expires_at": job.expires_at_s,
        }
        with translate(_WHAT):
            try:
                self._table.put_item(Item=row, ConditionExpression="attribute_not_exists(pk)")
            except ClientError as exc:
                if error_code(exc) == _LOST_RACE:
                    return False
                raise
        return True

    def claim(self, tenant: str, name: str, job_id: str, *, expires_at_s: int) -> str:
        """Tie a name to a job id unless it is tied already; return the id that it is tied to."""
        with translate(_WHAT):
            # One call decides: what stands there already stays.
            answer = self._table.update_item(
                Key=_claim_key(tenant, name),
                UpdateExpression="SET job_id = if_not_exists(job_id, :id), expires_at = if_not_exists(expires_at, :at)",
                ExpressionAttributeValues={":id": job_id, ":at": expires_at_s},
                ReturnValues="ALL_NEW",
            )
        return str(answer["Attributes"]["job_id"])

    def claimed(self, tenant: str, name: str) -> str | None:
        """Return the job id that a name is tied to, if it is."""
        with translate(_WHAT):
            row = self._table.get_item(Key=_claim_key(tenant, name), ConsistentRead=True).get("Item")
        return str(row["job_id"]) if row else None

    def get(self, tenant: str, job_id: str) -> Job | None:
        """Return the job with its shards' progress."""
        rows: list[dict[str, Any]] = []
        arguments: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": _pk(tenant, job_id)},
            "ConsistentRead": True,
        }
        with translate(_WHAT):
            while True:
                page = self._table.query(**arguments)
                rows += page["Items"]
                if "LastEvaluatedKey" not in page:
                    break
                arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        if not rows or rows[0]["sk"] != "JOB":
            return None
        return _job(rows[0], tuple(_shard(row) for row in rows[1:]))

    def head(self, tenant: str, job_id: str) -> Job | None:
        """Return the job without its shards' progress."""
        with translate(_WHAT):
            row = self._table.get_item(Key=_key(tenant, job_id), ConsistentRead=True).get("Item")
        return _job(row, ()) if row else None

    def shard(self, tenant: str, job_id: str, shard: int) -> ShardProgress | None:
        """Return one shard's progress, None if it has shown none yet."""
        with translate(_WHAT):
            row = self._table.get_item(Key=_shard_key(tenant, job_id, shard), ConsistentRead=True).get("Item")
        return _shard(row) if row else None

    def set_priority(self, tenant: str, job_id: str, priority: int, *, at: str) -> bool:
        """Change the priority of a job that has not ended; return whether it was changed."""
        return self._update_open(tenant, job_id, {"priority": priority, "updated_at": at})

    def transition(
        self, tenant: str, job_id: str, to: JobState, *, allowed: Iterable[JobState], at: str, **fields: Any
    ) -> bool:
        """Move to ``to`` and set ``fields`` if the state is one of ``allowed``; return whether it moved."""
        values = {"state": to.value, "updated_at": at, **{name: _wire(value) for name, value in fields.items()}}
        states = {f":allowed{number}": state.value for number, state in enumerate(allowed)}
        condition = f"#state IN ({', '.join(states)})"  # a reserved word of DynamoDB, which _update gives its name back
        return self._update(_key(tenant, job_id), values, condition=condition, operands=states)

    def set_batch_job(self, tenant: str, job_id: str, batch_job_id: str) -> None:
        """Remember the AWS Batch job that runs this job; the first one remembered stays."""
        condition = "attribute_exists(pk) AND attribute_not_exists(batch_job_id)"
        self._update(_key(tenant, job_id), {"batch_job_id": batch_job_id}, condition=condition)

    def claim_shard(self, tenant: str, job_id: str) -> int | None:
        """Take the next shard of a planned job that was never sent; None once there is none, or the job has ended."""
        token = uuid4().hex
        while True:
            with translate(_WHAT):
                row = self._table.get_item(Key=_key(tenant, job_id), ConsistentRead=True).get("Item") or {}
            seen = int(row.get("next_shard", 0))
            if row.get("claimed_by") == token:
                return seen - 1  # the answer was lost, and the SDK's repetition met its own claim
            if seen >= int(row.get("shards", 0)) or row["state"] not in OPEN_STATES:
                return None
            is_as_seen = "attribute_not_exists(next_shard)" if "next_shard" not in row else "#next_shard = :seen"
            operands = {} if "next_shard" not in row else {":seen": seen}
            if self._update_open(
                tenant, job_id, {"next_shard": seen + 1, "claimed_by": token}, also=is_as_seen, operands=operands
            ):
                return seen

    def set_width(self, tenant: str, job_id: str, width: int, *, before: int | None) -> bool:
        """Change how many slots a job has, if they are still as many as before; return whether they were."""
        same = "attribute_not_exists(width)" if before is None else "width = :before"
        operands = {} if before is None else {":before": before}
        condition = f"attribute_exists(pk) AND {same}"
        return self._update(_key(tenant, job_id), {"width": width}, condition=condition, operands=operands)

    def note_heal(self, tenant: str, job_id: str, heals: int, *, at: str) -> None:
        """Remember how often the sweep has tried to revive the job since it last moved; this changes its row.

        A job that has ended meanwhile is left alone: its row's time is that of its end.
        """
        self._update_open(tenant, job_id, {"heals": heals, "updated_at": at})

    def note_told(self, tenant: str, job_id: str, ways: frozenset[str]) -> None:
        """Remember ways by which the job's end was told, beside those remembered before."""
        self._change(_key(tenant, job_id), "ADD told :ways", {":ways": ways})

    def record_webhook(self, tenant: str, job_id: str, outcome: WebhookOutcome) -> None:
        """Write how the delivery of the job's webhook stands; a delivered one stays so."""
        undelivered = "attribute_exists(pk) AND (attribute_not_exists(webhook_state) OR webhook_state <> :delivered)"
        values = {"webhook": _wire(asdict(outcome)), "webhook_state": outcome.state}
        self._update(_key(tenant, job_id), values, condition=undelivered, operands={":delivered": WEBHOOK_DELIVERED})

    def close(self, tenant: str, job_id: str) -> None:
        """Take an ended and announced job off the list of open ones."""
        self._change(_key(tenant, job_id), "REMOVE open_pk", {})

    def record_shard(self, tenant: str, job_id: str, progress: ShardProgress, *, expires_at_s: int) -> None:
        """Write a shard's progress; a finished shard is never made unfinished again, and no count falls."""
        items = progress.done + progress.failed
        values = {
            "shard": progress.shard,
            "done": progress.done,
            "failed": progress.failed,
            "is_finished": progress.is_finished,
            "items": items,
            "updated_at": progress.updated_at,
            "busy_ms": round(progress.busy_s * 1000),
            "part_bytes": progress.part_bytes,
            "part_sha256": progress.part_sha256,
            "expires_at": expires_at_s,
        }
        unfinished = "(attribute_not_exists(#is_finished) OR #is_finished = :open)"
        key = _shard_key(tenant, job_id, progress.shard)
        if progress.is_finished:
            self._update(key, values, condition=unfinished, operands={":open": False})
            return
        is_further = f"{unfinished} AND (attribute_not_exists(#items) OR #items <= :items)"
        if not self._update(key, values, condition=is_further, operands={":open": False}):
            # An attempt that computes again what an earlier one had not saved; or a late word of that earlier one.
            alive = {"updated_at": progress.updated_at}
            is_older = f"{unfinished} AND #updated_at < :updated_at"
            self._update(key, alive, condition=is_older, operands={":open": False}, also_named=("is_finished",))

    def open_jobs(self, *, updated_before: str) -> Iterator[Job]:
        """Yield jobs that are not closed and whose row has not changed since, oldest first."""
        heads = self.open_heads(updated_before=updated_before)
        yield from (job for head in heads if (job := self.get(head.tenant, head.job_id)) is not None)

    def open_heads(self, *, updated_before: str) -> Iterator[Job]:
        """Yield what `open_jobs` does without the shards' progress."""
        arguments: dict[str, Any] = {
            "IndexName": "OpenJobs",
            "KeyConditionExpression": "open_pk = :open AND updated_at < :before",
            "ExpressionAttributeValues": {":open": _OPEN, ":before": updated_before},
        }
        while True:
            with translate(_WHAT):
                page = self._table.query(**arguments)
            yield from (_job(row, ()) for row in page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _update_open(
        self,
        tenant: str,
        job_id: str,
        values: dict[str, Any],
        *,
        also: str | None = None,
        operands: Mapping[str, Any] | None = None,
    ) -> bool:
        """Set ``values`` if the job has not ended, on another condition ``also``; return whether they were set."""
        states = {f":allowed{number}": state.value for number, state in enumerate(OPEN_STATES)}
        condition = f"#state IN ({', '.join(states)})" + (f" AND {also}" if also else "")
        return self._update(
            _key(tenant, job_id), values, condition=condition, operands={**states, **(operands or {})},
            also_named=("state",),
        )  # fmt: skip

    def _change(self, key: dict[str, str], expression: str, operands: dict[str, Any]) -> None:
        """Change a row that is there; a job whose record has expired meanwhile must not come back as half a row."""
        arguments = {"ExpressionAttributeValues": operands} if operands else {}
        with translate(_WHAT):
            try:
                self._table.update_item(
                    Key=key, UpdateExpression=expression, ConditionExpression="attribute_exists(pk)", **arguments
                )
            except ClientError as exc:
                if error_code(exc) != _LOST_RACE:
                    raise

    def _update(
        self,
        key: dict[str, str],
        values: dict[str, Any],
        *,
        condition: str,
        operands: Mapping[str, Any] | None = None,
        also_named: Iterable[str] = (),
    ) -> bool:
        """Set ``values`` on a condition, in which ``operands`` stand; return whether it held."""
        names = {f"#{name}": name for name in (*values, *also_named)}
        assignments = ", ".join(f"#{name} = :{name}" for name in values)
        assigned = {f":{name}": value for name, value in values.items()}
        with translate(_WHAT):
            try:
                self._table.update_item(
                    Key=key,
                    UpdateExpression=f"SET {assignments}",
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues={**assigned, **(operands or {})},
                    ConditionExpression=condition,
                )
            except ClientError as exc:
                if error_code(exc) == _LOST_RACE:
                    return False
                raise
        return True


def _pk(tenant: str, job_id: str) -> str:
    return f"JOB#{tenant}#{job_id}"


def _key(tenant: str, job_id: str) -> dict[str, str]:
    return {"pk": _pk(tenant, job_id), "sk": "JOB"}


def _shard_key(tenant: str, job_id: str, shard: int) -> dict[str, str]:
    return {"pk": _pk(tenant, job_id), "sk": f"SHARD#{shard:05d}"}


def _claim_key(tenant: str, name: str) -> dict[str, str]:
    return {"pk": f"CLAIM#{tenant}#{name}", "sk": "CLAIM"}


def _wire(value: Any) -> Any:
    # Error objects hold floats and nested lists, which DynamoDB's types render badly.
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def _job(row: dict[str, Any], progress: tuple[ShardProgress, ...]) -> Job:
    return Job(
        **{name: row.get(name) for name in _PLAIN_FIELDS},  # type: ignore[arg-type]
        **{name: int(row[name]) if row.get(name) is not None else None for name in _NUMBER_FIELDS},  # type: ignore[arg-type]
        state=JobState(row["state"]),
        kind=JobKind(row.get("kind", JobKind.BATCH)),
        expires_at_s=int(row["expires_at"]),
        heals=int(row.get("heals", 0)),
        attempts=int(row.get("attempts", 0)),
        priority=int(row.get("priority", DEFAULT_PRIORITY)),
        next_shard=int(row.get("next_shard", 0)),
        is_open="open_pk" in row,
        **{name: orjson.loads(row[name]) if row.get(name) else None for name in _JSON_FIELDS},  # type: ignore[arg-type]
        told=frozenset(row.get("told") or ()),
        webhook=WebhookOutcome(**orjson.loads(row["webhook"])) if row.get("webhook") else None,
        progress=progress,
    )


def _shard(row: dict[str, Any]) -> ShardProgress:
    return ShardProgress(
        int(row["shard"]),
        int(row["done"]),
        int(row["failed"]),
        bool(row["is_finished"]),
        str(row["updated_at"]),
        int(row.get("busy_ms", 0)) / 1000,
        row.get("part_bytes"),
        row.get("part_sha256"),
    )
