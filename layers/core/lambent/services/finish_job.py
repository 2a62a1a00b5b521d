"""The end of a job: collect what there is, write the manifest, move to a terminal state, tell."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lambent.contracts.jobs import Plan
from lambent.contracts.parts import part_file
from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState, outcome, states_before
from lambent.domain.names import job_key
from lambent.errors import (
    BrokenArtifact,
    DeadlineExceeded,
    LambentError,
    ShardFailed,
    SourceGone,
    WorkerUnfit,
    restore_error,
)
from lambent.ports import Clock, JobRunner, JobStore, ObjectStore
from lambent.services.announce_job import JobAnnouncer
from lambent.services.collect_parts import ERRORS_FILE, Collected, PartCollector
from lambent.services.read_plan import read_plan
from lambent.services.receipt import ReceiptService

_FIRST_ERROR_BYTES = 1 << 16


class JobFinisher:
    """Ends jobs; safe to call any number of times and from several places at once.

    ``runner`` is None in functions that never stop a GPU-lane job.
    """

    def __init__(
        self,
        *,
        data: ObjectStore,
        jobs: JobStore,
        announcer: JobAnnouncer,
        receipts: ReceiptService,
        clock: Clock,
        runner: JobRunner | None = None,
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._announcer = announcer
        self._receipts = receipts
        self._clock = clock
        self._runner = runner
        self._collector = PartCollector(data=data, jobs=jobs, clock=clock)

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

    def finish(self, job: Job, missing: LambentError | None = None) -> None:
        """End a planned job with what its shards have written; items of shards without a part count as failed.

        Parameters
        ----------
        job       with its shards' progress
        missing   what became of those items; `ShardFailed` unless given
        """
        plan = read_plan(self._data, job.tenant, job.job_id)
        collected = self._collector.collect(plan, job.progress, missing=(missing or _shard_failed()).to_dict())
        state = outcome(total=plan.total, done=collected.done)
        receipt = self._write_manifest(job, plan, collected, state)
        self._receipts.observe(plan, collected.shards)
        cause = self._cause(plan) if state is JobState.FAILED else {}
        self._end(job, state, final_done=collected.done, final_failed=collected.failed, receipt=receipt, **cause)

    def _cause(self, plan: Plan) -> dict[str, Any]:
        """Return why a job has no result, where no item is to blame: its version, or the worker's image or host."""
        listed = self._data.read_range(job_key(plan.tenant, plan.job_id, ERRORS_FILE), 0, _FIRST_ERROR_BYTES)
        first, is_whole, _ = listed.partition(b"\n")
        error = restore_error(orjson.loads(first)) if is_whole else None
        return {"error": error.to_dict()} if isinstance(error, BrokenArtifact | WorkerUnfit) else {}

    def expire(self, job: Job) -> None:
        """End a job whose deadline has passed with what it has; what runs of it is stopped."""
        error = DeadlineExceeded(
            "The job's deadline passed before this item was reached; retry what failed with a later deadline.",
            field="deadline",
        )
        self._stop(job, reason="deadline")
        if job.shards is None:
            self.fail(job, error)
        else:
            self.finish(job, error)

    def settle(self, job: Job) -> None:
        """Do what is left for a job that is terminal and still open: stop, write down and tell; then close it."""
        if job.state is JobState.CANCELLED and job.kind is JobKind.BATCH:
            self._stop(job, reason="cancelled")
            job = self._write_down_what_a_cancelled_job_has(job)
        self.announce(job)

    def announce(self, job: Job) -> None:
        """Tell that a job has ended, and close it; until then the sweep repeats it."""
        self._announcer.announce(job)
        self._jobs.close(job.tenant, job.job_id)

    def _write_down_what_a_cancelled_job_has(self, job: Job) -> Job:
        try:
            plan = read_plan(self._data, job.tenant, job.job_id)
        except SourceGone:
            return job  # it was cancelled before it was planned
        collected = self._collector.collect(plan, job.progress, missing=None)
        receipt = self._write_manifest(job, plan, collected, JobState.CANCELLED)
        fields = {"final_done": collected.done, "final_failed": collected.failed, "receipt": receipt}
        self._jobs.transition(
            job.tenant, job.job_id, JobState.CANCELLED, allowed=[JobState.CANCELLED], at=job.updated_at, **fields
        )
        return self._jobs.get(job.tenant, job.job_id) or job

    def _stop(self, job: Job, *, reason: str) -> None:
        if job.batch_job_id is not None and self._runner is not None:
            self._runner.terminate(job.batch_job_id, reason=f"lambent: {reason}")

    def _write_manifest(self, job: Job, plan: Plan, collected: Collected, state: JobState) -> dict[str, Any] | None:
        """Write manifest.json; return the receipt in it."""
        receipt: dict[str, Any] | None = msgspec.to_builtins(self._receipts.receipt(job, plan, collected.shards))
        manifest = {
            "schema_version": 2,
            "job_id": job.job_id,
            "state": state.value,
            "model": plan.model,
            "version": plan.version,
            "lane": plan.lane,
            "total": plan.total,
            "done": collected.done,
            "failed": collected.failed,
            "output": {"format": plan.output.format, "compression": plan.output.compression},
            "parts": [
                {
                    "file": part_file(shard.shard, plan.output),
                    "items": shard.done + shard.failed,
                    "failed": shard.failed,
                    "size_bytes": shard.part_bytes,
                    "sha256": shard.part_sha256,
                }
                for shard in collected.shards
            ],
            "receipt": receipt,
        }
        key = job_key(job.tenant, job.job_id, "manifest.json")
        self._data.write(key, orjson.dumps(manifest), content_type="application/json")
        return receipt

    def _end(self, job: Job, state: JobState, **fields: Any) -> None:
        allowed = states_before(state)
        moved = self._jobs.transition(job.tenant, job.job_id, state, allowed=allowed, at=self._clock.now(), **fields)
        ended = self._jobs.get(job.tenant, job.job_id) if moved else None
        if ended is not None:
            self.announce(ended)


def _shard_failed() -> ShardFailed:
    return ShardFailed("No attempt at the shard of this item has come to an end; retry what failed.")


def _counts(job: Job, *, done: int = 0, failed: int = 0) -> dict[str, int]:
    """Return the item counts of a call, which is one item; a batch's come from its parts."""
    return {"final_done": done, "final_failed": failed} if job.kind is JobKind.CALL else {}
