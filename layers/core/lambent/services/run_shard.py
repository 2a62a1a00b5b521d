"""One shard of a batch, on either lane: items in, one results part out."""

from __future__ import annotations

from collections.abc import Callable

from lambent.contracts.jobs import Plan
from lambent.domain.job import ShardProgress
from lambent.domain.job_states import JobState, states_before
from lambent.domain.model import ModelRef, Target
from lambent.errors import LambentError
from lambent.ports import Clock, JobStore, ObjectStore
from lambent.services.checkpoint_shard import Checkpoints
from lambent.services.load_model import Models, ServedModel
from lambent.services.prepare_items import PreparingLimits
from lambent.services.read_plan import plan_of_shard
from lambent.services.result_lines import ResultLines
from lambent.services.shard_attempt import AttemptWatch, CheckpointRule, ShardAttempt
from lambent.services.shard_care import Precaution, ShardCare
from lambent.services.shard_part import ShardPart, WrittenPart
from lambent.services.unfinished_shard import add_failures

_HEARTBEAT_S = 2.0
# A function of one processor: the store answers after some 20 ms, in which it computes several items.
_LIMITS = PreparingLimits(threads=8, decoders=1)
_RULE = CheckpointRule()
_NONE = Precaution()


class ShardService:
    """Runs shards with one model cache; the GPU worker and InferFunction differ in their interpreters only.

    Parameters
    ----------
    batch_size   most items in a batch
    find_size    returns the best size up to the one it is given; None takes ``batch_size`` itself
    is_compiled  whether the interpreter is compiled anew for every shape, so that all batches should have one
    limits       what fetching and decoding may take of the host
    rule         when a checkpoint is due
    tries_alone  whether each item is computed alone before its batch is, by ``models`` in processes of their own
    on_event     called with the name of each step that changes the store: before_checkpoint, after_checkpoint,
                 before_errors, before_part, after_part, after_report, after_clearing
    """

    def __init__(
        self,
        *,
        data: ObjectStore,
        jobs: JobStore,
        models: Models,
        clock: Clock,
        batch_size: int,
        find_size: Callable[[ServedModel, int], int] | None = None,
        is_compiled: bool = False,
        limits: PreparingLimits = _LIMITS,
        rule: CheckpointRule = _RULE,
        tries_alone: bool = False,
        on_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._models = models
        self._clock = clock
        self._batch_size = batch_size
        self._find_size = find_size
        self._is_compiled = is_compiled
        self._limits = limits
        self._rule = rule
        self._tries_alone = tries_alone
        self._on_event = on_event

    def run(
        self,
        tenant: str,
        job_id: str,
        shard: int,
        *,
        on_progress: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        precaution: Precaution = _NONE,
    ) -> Target:
        """Run one shard to its end and write its part; a shard whose part exists is only reported again.

        Items that cannot be read, decoded or answered become error lines; they never fail the shard or each other. An
        attempt goes on where the last checkpoint of the one before ends. A job that has ended meanwhile, because it was
        cancelled, gets no part.

        Parameters
        ----------
        on_progress   called with the number of items handled so far
        should_stop   asked between batches and while items are waited for: whether the host is about to go
        precaution    what is known of processes that died with this shard, and where this one marks what it is at

        Returns
        -------
        Target   the version that the job is pinned to

        Raises
        ------
        BrokenArtifact   the version cannot be served
        SourceGone       the job has no plan, or no such shard
        Interrupted      told to stop; what was finished is kept, run the shard again
        Unavailable      and any other retryable error; run the shard again
        """
        plan = plan_of_shard(self._data, tenant, job_id, shard)
        part, report = ShardPart(self._data, plan, shard), _Report(self._jobs, self._clock, plan, shard)
        moved = self._jobs.transition(
            tenant, job_id, JobState.RUNNING, allowed=states_before(JobState.RUNNING), at=self._clock.now()
        )
        try:
            if not moved:
                report.check_open()
            written = part.written() or self._compute(
                plan,
                shard,
                part,
                report=report,
                on_progress=on_progress,
                should_stop=should_stop,
                care=ShardCare(self._data, plan, shard, precaution),
            )
        except _JobEnded:
            return _target(plan)
        report.finished(written)
        self._on_event("after_report")
        return _target(plan)

    def fail(self, tenant: str, job_id: str, shard: int, error: LambentError) -> Target:
        """End a shard that cannot run: what has no line in a checkpoint gets the error, or the one of its own.

        Returns
        -------
        Target   the version that the job is pinned to

        Raises
        ------
        SourceGone, Unavailable
        """
        plan = plan_of_shard(self._data, tenant, job_id, shard)
        part, report = ShardPart(self._data, plan, shard), _Report(self._jobs, self._clock, plan, shard)
        care = ShardCare(self._data, plan, shard, Precaution(is_kept=True))
        checkpoints, is_done = Checkpoints(self._data, plan, shard), bytearray(plan.items_of(shard))
        care.begin()
        with ResultLines() as lines:
            checkpoints.resume(lines, is_done)
            add_failures(self._data, plan, shard, lines, is_done=is_done, care=care, error=error.to_dict())
            report.finished(self._write(part, lines))
        checkpoints.clear()
        care.forget()
        return _target(plan)

    def _compute(
        self,
        plan: Plan,
        shard: int,
        part: ShardPart,
        *,
        report: _Report,
        on_progress: Callable[[int], None] | None,
        should_stop: Callable[[], bool],
        care: ShardCare,
    ) -> WrittenPart:
        # The model comes first: a broken one must fail the shard before any item is blamed.
        model = self._models.get(_target(plan).ref)
        with ResultLines() as lines:
            watch = AttemptWatch(
                on_batch=lambda: on_progress(len(lines)) if on_progress is not None else None,
                beat=lambda: report.beat(lines),
                should_stop=should_stop,
                on_event=self._on_event,
            )
            attempt = ShardAttempt(
                data=self._data,
                clock=self._clock,
                plan=plan,
                shard=shard,
                lines=lines,
                limits=self._limits,
                rule=self._rule,
                watch=watch,
                is_compiled=self._is_compiled,
                care=care,
                tries_alone=self._tries_alone,
            )
            attempt.run(model, lambda: self._best_size(model, plan.items_of(shard)))
            written = self._write(part, lines)
            attempt.checkpoints.clear()
            care.forget()
        self._on_event("after_clearing")
        return written

    def _best_size(self, model: ServedModel, items: int) -> int:
        # Rounded up to a power of two, so that the shards of a job have few different sizes. The contract's limit of
        # rows holds here, too: its maker knows what a batch of them costs.
        most = min(self._batch_size, model.contract.limits.max_rows, 1 << (items - 1).bit_length())
        return most if self._find_size is None else self._find_size(model, most)

    def _write(self, part: ShardPart, lines: ResultLines) -> WrittenPart:
        self._on_event("before_errors")
        part.write_errors(lines)
        self._on_event("before_part")
        written = part.write(lines)
        self._on_event("after_part")
        return written


class _Report:
    """What one attempt tells the ledger: how far it is, and how long all attempts have worked."""

    def __init__(self, jobs: JobStore, clock: Clock, plan: Plan, shard: int) -> None:
        self._jobs = jobs
        self._clock = clock
        self._plan = plan
        self._shard = shard
        self._started_s = clock.epoch_s()
        self._told_s = 0.0
        self._busy_before_s: float | None = None

    def check_open(self) -> None:
        """Raise `_JobEnded` if the job has ended."""
        job = self._jobs.head(self._plan.tenant, self._plan.job_id)
        if job is None or job.state.is_terminal:
            raise _JobEnded

    def beat(self, lines: ResultLines) -> None:
        """Tell the progress if it is time to; raises `_JobEnded` if the job has ended, Unavailable."""
        now_s = self._clock.epoch_s()
        if now_s - self._told_s < _HEARTBEAT_S:
            return
        self._told_s = now_s
        self._record(lines.done, lines.failed, None)
        self.check_open()

    def finished(self, part: WrittenPart) -> None:
        """Tell that the part is written; raises Unavailable."""
        self._record(part.done, part.failed, part)

    def _record(self, done: int, failed: int, part: WrittenPart | None) -> None:
        tenant, job_id = self._plan.tenant, self._plan.job_id
        if self._busy_before_s is None:
            known = self._jobs.shard(tenant, job_id, self._shard)
            self._busy_before_s = known.busy_s if known is not None else 0.0
        progress = ShardProgress(
            self._shard,
            done,
            failed,
            is_finished=part is not None,
            updated_at=self._clock.now(),
            busy_s=self._busy_before_s + self._clock.epoch_s() - self._started_s,
            part_bytes=part.size_bytes if part is not None else None,
            part_sha256=part.sha256 if part is not None else None,
        )
        self._jobs.record_shard(tenant, job_id, progress, expires_at_s=self._plan.expires_at_s)


class _JobEnded(Exception):
    """Nobody waits for the shard any more."""


def _target(plan: Plan) -> Target:
    return Target(ModelRef(plan.model, plan.version), plan.is_canary)
