"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended; only OK is a pass."""

    OK = "ok"
    WARNING = "warning"  # works, and will hurt: cost, safety, a date
    FAILED = "failed"  # something does not work
    UNKNOWN = "unknown"  # could not look, e.g. a right of the person who asks is missing
    SKIPPED = "skipped"  # there is nothing of this kind, e.g. no GPU lane


@dataclass(frozen=True)
class Finding:
    """What a check saw.

    Parameters
    ----------
    told   what is so, in one sentence, with numbers; never a secret
    mend   what to do about it, as a command where there is one; empty if it is well
    """

    status: Status
    told: str
    mend: str = ""


@dataclass(frozen=True)
class Result:
    """A check by its name, what it found, and how many seconds that took."""

    name: str
    group: str
    finding: Finding
    took_s: float = 0.0


def ok(told: str) -> Finding:
    """Return a pass."""
    return Finding(Status.OK, told)


def warning(told: str, *, mend: str) -> Finding:
    """Return what works and will hurt."""
    return Finding(Status.WARNING, told, mend)


def failed(told: str, *, mend: str) -> Finding:
    """Return what does not work."""
    return Finding(Status.FAILED, told, mend)


def skipped(told: str) -> Finding:
    """Return that there is nothing to look at."""
    return Finding(Status.SKIPPED, told)
