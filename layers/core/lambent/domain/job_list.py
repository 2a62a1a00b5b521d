"""Lists of a tenant's jobs, the newest first."""

from __future__ import annotations

from dataclasses import dataclass

from lambent.domain.job import JobKind
from lambent.domain.job_states import JobState


@dataclass(frozen=True)
class JobSummary:
    """What a list tells of a job; ``done`` and ``failed`` are counted once it has ended."""

    job_id: str
    kind: JobKind
    state: JobState
    model: str
    created_at: str
    updated_at: str
    version: int | None = None
    lane: str | None = None
    total: int | None = None
    done: int | None = None
    failed: int | None = None


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are wanted; None asks for all. ``created_after`` is a timestamp as `domain.timestamps` writes them."""

    state: JobState | None = None
    kind: JobKind | None = None
    model: str | None = None
    created_after: str | None = None

    def takes(self, job: JobSummary) -> bool:
        """Return whether a job is wanted."""
        return (
            self.state in (None, job.state)
            and self.kind in (None, job.kind)
            and self.model in (None, job.model)
            and (self.created_after is None or job.created_at > self.created_after)
        )


@dataclass(frozen=True, order=True)
class JobPlace:
    """A place in a list: behind the job that was created then and has this id."""

    created_at: str
    job_id: str


@dataclass(frozen=True)
class JobList:
    """Some jobs, and where those that follow begin; None after the last."""

    jobs: list[JobSummary]
    rest: JobPlace | None
