"""The end of a job: collect what there is, move to a terminal state, see that the manifest says so, tell."""

from __future__ import annotations

from typing import Any

import orjson

from lambent.contracts.jobs import Plan
from lambent.domain.job import Job, JobKind
from lambent.domain.job_states import JobState, outcome, states_before
from lambent.domain.names import job_key
from lambent.errors import (
    BrokenArtifact,
    DeadlineExceeded,
    LambentError,
    ShardFailed,
    WorkerUnfit,
    restore_error,
)
from lambent.ports import Clock, JobRunner, JobStore, ObjectStore
from lambent.services.announce_job import JobAnnouncer
from lambent.services.collect_parts import ERRORS_FILE, PartCollector
from lambent.services.read_plan import read_plan
from lambent.services.receipt import ReceiptService
from lambent.services.write_manifest import ManifestWriter

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
        self._manifest = ManifestWriter(data=data, jobs=jobs, receipts=receipts, collector=self._collector)

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
        """End a planned job with what its shards have written, in parts or checkpoints; all other items have failed.

        Parameters
        ----------
        job       with its shards' progress
        missing   what became of those items; `ShardFailed` unless given
        """
        plan = read_plan(self._data, job.tenant, job.job_id)
        collected = self._collector.collect(plan, job.progress, missing=(missing or _shard_failed()).to_dict())
        state = outcome(total=plan.total, done=collected.done)
        receipt = self._manifest.propose(job, plan, collected, state)
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
        self.announce(self._manifest.agree(job))

    def announce(self, job: Job) -> None:
        """Tell that a job has ended, and close it; until then the sweep repeats it."""
        self._announcer.announce(job)
        self._jobs.close(job.tenant, job.job_id)

    def _stop(self, job: Job, *, reason: str) -> None:
        if job.batch_job_id is not None and self._runner is not None:
            self._runner.terminate(job.batch_job_id, reason=f"lambent: {reason}")

    def _end(self, job: Job, state: JobState, **fields: Any) -> None:
        allowed = states_before(state)
        at = self._clock.now()
        moved = self._jobs.transition(job.tenant, job.job_id, state, allowed=allowed, at=at, **fields)
        ended = self._jobs.get(job.tenant, job.job_id)
        # A move whose answer was lost is repeated by the SDK and then meets itself: it is this one's all the same.
        if ended is not None and (moved or (ended.state is state and ended.updated_at == at)):
            self.settle(ended)


def _shard_failed() -> ShardFailed:
    return ShardFailed("No attempt at the shard of this item has come to an end; retry what failed.")


def _counts(job: Job, *, done: int = 0, failed: int = 0) -> dict[str, int]:
    """Return the item counts of a call, which is one item; a batch's come from its parts."""
    return {"final_done": done, "final_failed": failed} if job.kind is JobKind.CALL else {}
