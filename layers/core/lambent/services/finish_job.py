"""The end of a job: collect errors, write the manifest, move to a terminal state, tell."""

from __future__ import annotations

from typing import Any

import orjson

from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import Plan, ShardItem
from lambent.contracts.lines import CONTENT_TYPE, decode_lines, encode_lines, error_line
from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState, outcome, states_before
from lambent.domain.names import job_key, part_file
from lambent.errors import LambentError, SourceGone
from lambent.ports import Clock, JobStore, ObjectStore
from lambent.services.announce_job import JobAnnouncer

_SHARD_FAILED = {
    "error": "The shard of this item ended without results.",
    "code": "shard_failed",
    "retryable": True,
}


class JobFinisher:
    """Ends jobs; safe to call any number of times and from several places at once.

    The outcome is read from the parts alone, which are written once each: whoever finishes, finds the same.
    """

    def __init__(self, *, data: ObjectStore, jobs: JobStore, announcer: JobAnnouncer, clock: Clock) -> None:
        self._data = data
        self._jobs = jobs
        self._announcer = announcer
        self._clock = clock

    def fail(self, job: Job, error: LambentError) -> None:
        """End a job that cannot run at all."""
        self._end(job, JobState.FAILED, error=error.to_dict(), **_counts(job, failed=1))

    def end_call(self, job: Job, *, error: dict[str, Any] | None) -> None:
        """End a stored call with its outcome: an answer, or the error object that it met."""
        if error is None:
            self._end(job, JobState.SUCCEEDED, **_counts(job, done=1))
        else:
            self._end(job, JobState.FAILED, error=error, **_counts(job, failed=1))

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
        errors = [line for shard in range(plan.shards) for line in self._errors(job, plan, shard)]
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

    def announce(self, job: Job) -> None:
        """Tell that a job has ended, and close it; until then the sweep repeats it."""
        self._announcer.announce(job)
        self._jobs.close(job.tenant, job.job_id)

    def _errors(self, job: Job, plan: Plan, shard: int) -> list[dict[str, Any]]:
        """Return a part's error lines; a missing part is written now, so that a late worker cannot add another."""
        key = self._key(job, part_file(shard))
        try:
            part = self._data.read(key).body
        except SourceGone:
            body = self._data.read(self._key(job, plan.shard_file(shard))).body
            items = [decode_json(line, ShardItem, what="shard item") for line in body.splitlines()]
            part = encode_lines(error_line(item, _SHARD_FAILED) for item in items)
            if not self._data.write_once(key, part, content_type=CONTENT_TYPE):
                part = self._data.read(key).body
        return [line for line in decode_lines(part) if "error" in line]

    def _end(self, job: Job, state: JobState, **fields: Any) -> None:
        allowed = states_before(state)
        moved = self._jobs.transition(job.tenant, job.job_id, state, allowed=allowed, at=self._clock.now(), **fields)
        ended = self._jobs.get(job.tenant, job.job_id) if moved else None
        if ended is not None:
            self.announce(ended)

    @staticmethod
    def _key(job: Job, name: str) -> str:
        return job_key(job.tenant, job.job_id, name)


def _counts(job: Job, *, done: int = 0, failed: int = 0) -> dict[str, int]:
    """Return the item counts of a call, which is one item; a batch's come from its parts."""
    return {"final_done": done, "final_failed": failed} if job.kind is JobKind.CALL else {}
