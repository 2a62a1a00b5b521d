"""Jobs inside the program: batches, and calls that are answered later."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from lambent.contracts.batch_request import DEFAULT_PRIORITY
from lambent.domain.job_states import JobState

_DAY_S = 86_400
_MARGIN_DAYS = 7


class JobKind(StrEnum):
    """A batch of items, planned into shards; or one stored call of the data plane."""

    BATCH = "batch"
    CALL = "call"


@dataclass(frozen=True)
class ShardProgress:
    """How far one shard is; counts only grow, ``is_finished`` once its part is written.

    busy_s                    seconds that its attempts have worked so far, all together, to the millisecond
    part_bytes, part_sha256   of its part, once that is written
    """

    shard: int
    done: int
    failed: int
    is_finished: bool
    updated_at: str
    busy_s: float = 0.0
    part_bytes: int | None = None
    part_sha256: str | None = None


@dataclass(frozen=True)
class WebhookOutcome:
    """How the delivery of a job's webhook stands: see `contracts.notifications.WebhookView`."""

    state: str
    attempts: int
    last_status: int | None
    last_error: str | None
    at: str


@dataclass(frozen=True)
class Job:
    """One job with its shards' progress.

    priority      0 (lowest) to 9; may change while the job runs
    concurrency   CPU lane: how many shards are in flight at once at the highest priority
    next_shard    CPU lane: the first shard that was never sent
    width         CPU lane: how many slots were open when that was last looked at; None before, and in older records
    deadline_s    when the job ends with what it has, in seconds since 1970
    request_key   where the whole request lies, if it is too large for the record; its input is only there
    parent        the job of which this one repeats what failed
    attempts      calls: how often somebody has begun to answer it, by whichever of its messages
    told          by which ways its end was told, where not all of them could be gone at once
    is_open       whether something is left to do for it: to run, to collect, to tell
    """

    tenant: str
    job_id: str
    state: JobState
    model: str
    request: str
    request_sha256: str
    created_at: str
    updated_at: str
    expires_at_s: int
    kind: JobKind = JobKind.BATCH
    version: int | None = None
    lane: str | None = None
    total: int | None = None
    shards: int | None = None
    why: str | None = None
    batch_job_id: str | None = None
    heals: int = 0
    attempts: int = 0
    error: dict[str, Any] | None = None
    estimate: dict[str, Any] | None = None
    receipt: dict[str, Any] | None = None
    final_done: int | None = None
    final_failed: int | None = None
    priority: int = DEFAULT_PRIORITY
    concurrency: int | None = None
    next_shard: int = 0
    width: int | None = None
    deadline_s: int | None = None
    parent: str | None = None
    request_key: str | None = None
    is_open: bool = True
    told: frozenset[str] = frozenset()
    webhook: WebhookOutcome | None = None
    progress: tuple[ShardProgress, ...] = field(default=())

    @property
    def done(self) -> int:
        """Items with a result: so far, or in the end."""
        return self.final_done if self.final_done is not None else sum(shard.done for shard in self.progress)

    @property
    def failed(self) -> int:
        """Items with a recorded failure: so far, or in the end."""
        return self.final_failed if self.final_failed is not None else sum(shard.failed for shard in self.progress)

    def as_accepted(self) -> Job:
        """Return the job as it was recorded at first, so that a repeated request has the same answer."""
        first = replace(
            self,
            state=JobState.QUEUED,
            updated_at=self.created_at,
            batch_job_id=None,
            heals=0,
            attempts=0,
            error=None,
            estimate=None,
            receipt=None,
            final_done=None,
            final_failed=None,
            concurrency=None,
            next_shard=0,
            width=None,
            is_open=True,
            told=frozenset(),
            webhook=None,
            progress=(),
        )
        # What a batch's plan decides later, a call knows from the start.
        is_planned_later = self.kind is JobKind.BATCH
        return replace(first, version=None, lane=None, total=None, shards=None, why=None) if is_planned_later else first

    @property
    def finished_shards(self) -> frozenset[int]:
        """Shards whose part is written."""
        return frozenset(shard.shard for shard in self.progress if shard.is_finished)


def expiry_of(now_s: float, *, retention_days: int) -> int:
    """Return when a job's record may go, in seconds since 1970.

    The record outlives the job's objects, so that an id is not used again while old parts lie there.
    """
    return int(now_s) + (retention_days + _MARGIN_DAYS) * _DAY_S
