"""The end of a job: collect errors, write the manifest, move to a terminal state, tell."""

from __future__ import annotations

from typing import Any

import orjson

from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import Plan, ShardItem
from lambent.contracts.lines import CONTENT_TYPE, decode_lines, encode_lines
from lambent.domain.job import Job
from lambent.domain.job_states import JobState, outcome, states_before
from lambent.domain.names import job_key, part_file, shard_file
from lambent.errors import LambentError, SourceGone
from lambent.ports import Clock, JobStore, Notifier, ObjectStore

_SHARD_FAILED = {
    "error": "The shard of this item ended without results.",
    "code": "shard_failed",
    "retryable": True,
}


class JobFinisher:
    """Ends jobs; safe to call any number of times and from several places at once."""

    def __init__(self, *, data: ObjectStore, jobs: JobStore, notifier: Notifier, clock: Clock) -> None:
        self._data = data
        self._jobs = jobs
        self._notifier = notifier
        self._clock = clock

    def fail(self, job: Job, error: LambentError) -> None:
        """End a job that cannot run at all."""
        self._end(job, JobState.FAILED, error=error.to_dict())

    def finish_if_complete(self, tenant: str, job_id: str) -> bool:
        """End a planned job if all its shards are finished; return whether they are."""
        job = self._jobs.get(tenant, job_id)
        if job is None or job.state.is_terminal or job.shards is None or len(job.finished_shards) < job.shards:
            return False
        self.finish(job)
        return True

    def finish(self, job: Job) -> None:
        """End a planned job with what its shards have written; items of shards without a part count as failed."""
        plan = decode_json(self._data.read(self._key(job, "plan.json")).body, Plan, what="plan")
        parts = [self._part(job, shard) for shard in range(plan.shards)]
        errors = [line for part in parts for line in part if "error" in line]
        done = plan.total - len(errors)
        state = outcome(total=plan.total, done=done)
        self._data.write(self._key(job, "errors.jsonl"), encode_lines(errors), content_type=CONTENT_TYPE)
        manifest = {
            "schema_version": 1,
            "job_id": job.job_id,
            "state": state.value,
            "model": plan.model,
            "version": plan.version,
            "lane": plan.lane,
            "total": plan.total,
            "done": done,
            "failed": len(errors),
            "parts": [part_file(shard) for shard in range(plan.shards)],
        }
        self._data.write(self._key(job, "manifest.json"), orjson.dumps(manifest), content_type="application/json")
        self._end(job, state, final_done=done, final_failed=len(errors))

    def _part(self, job: Job, shard: int) -> list[dict[str, Any]]:
        try:
            return decode_lines(self._data.read(self._key(job, part_file(shard))).body)
        except SourceGone:
            body = self._data.read(self._key(job, shard_file(shard))).body
        items = [decode_json(line, ShardItem, what="shard item") for line in body.splitlines()]
        return [{"id": item.id, "line": item.line, **_SHARD_FAILED} for item in items]

    def _end(self, job: Job, state: JobState, **fields: Any) -> None:
        now = self._clock.now()
        moved = self._jobs.transition(job.tenant, job.job_id, state, allowed=states_before(state), at=now, **fields)
        if moved:
            self._notifier.announce(
                f"Lambent job {job.job_id}: {state.value}",
                {"tenant": job.tenant, "job_id": job.job_id, "state": state.value, "at": now},
            )

    @staticmethod
    def _key(job: Job, name: str) -> str:
        return job_key(job.tenant, job.job_id, name)
