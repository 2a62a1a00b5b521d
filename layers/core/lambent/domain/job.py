"""Batch jobs inside the program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lambent.domain.job_states import JobState


@dataclass(frozen=True)
class ShardProgress:
    """How far one shard is; counts only grow, ``is_finished`` once its part is written."""

    shard: int
    done: int
    failed: int
    is_finished: bool
    updated_at: str


@dataclass(frozen=True)
class Job:
    """One job with its shards' progress."""

    tenant: str
    job_id: str
    state: JobState
    model: str
    request: str
    request_sha256: str
    created_at: str
    updated_at: str
    expires_at_s: int
    version: int | None = None
    lane: str | None = None
    total: int | None = None
    shards: int | None = None
    why: str | None = None
    batch_job_id: str | None = None
    heals: int = 0
    error: dict[str, Any] | None = None
    final_done: int | None = None
    final_failed: int | None = None
    progress: tuple[ShardProgress, ...] = field(default=())

    @property
    def done(self) -> int:
        """Items with a result: so far, or in the end."""
        return self.final_done if self.final_done is not None else sum(shard.done for shard in self.progress)

    @property
    def failed(self) -> int:
        """Items with a recorded failure: so far, or in the end."""
        return self.final_failed if self.final_failed is not None else sum(shard.failed for shard in self.progress)

    @property
    def finished_shards(self) -> frozenset[int]:
        """Shards whose part is written."""
        return frozenset(shard.shard for shard in self.progress if shard.is_finished)
