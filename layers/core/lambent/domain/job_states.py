"""The life of a job: states only ever move forward and terminal ones absorb everything."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """QUEUED → PLANNED → RUNNING → SUCCEEDED | PARTIAL | FAILED | CANCELLED."""

    QUEUED = "QUEUED"
    PLANNED = "PLANNED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in _TERMINAL


_TERMINAL = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED})
OPEN_STATES = (JobState.QUEUED, JobState.PLANNED, JobState.RUNNING)


def states_before(state: JobState) -> tuple[JobState, ...]:
    """Return the states from which ``state`` may be entered."""
    return OPEN_STATES if state.is_terminal else OPEN_STATES[: OPEN_STATES.index(state)]


def outcome(*, total: int, done: int) -> JobState:
    """Return the terminal state of a job of which ``done`` of ``total`` items have a result."""
    if done == total:
        return JobState.SUCCEEDED
    return JobState.PARTIAL if done else JobState.FAILED
