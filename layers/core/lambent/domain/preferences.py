"""The Prefer header (RFC 7240)."""

from __future__ import annotations

RESPOND_ASYNC = "respond-async"


def is_later_wanted(prefer: str) -> bool:
    """Return whether a Prefer header asks for an answer later; other preferences are ignored, as the RFC says."""
    preferences = (each.partition(";")[0].partition("=")[0].strip().lower() for each in prefer.split(","))
    return RESPOND_ASYNC in preferences
