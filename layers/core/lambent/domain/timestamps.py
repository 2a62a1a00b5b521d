"""ISO 8601 timestamps whose text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime


def to_timestamp(epoch_s: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC with milliseconds and Z."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_timestamp(timestamp: str) -> float:
    """Return what `to_timestamp` made a timestamp of, in seconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp()
