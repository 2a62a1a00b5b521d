"""The Prefer header (RFC 7240)."""

from __future__ import annotations

from collections.abc import Iterator

RESPOND_ASYNC = "respond-async"
_WAIT = "wait"
_MOST_DIGITS = 9


def is_later_wanted(prefer: str) -> bool:
    """Return whether a Prefer header asks for an answer later; other preferences are ignored, as the RFC says."""
    return any(name == RESPOND_ASYNC for name, _ in _preferences(prefer))


def read_wait_s(prefer: str) -> int | None:
    """Return for how many seconds the client waits for an answer, the first ``wait`` counts; None if it says nothing.

    What is no number of seconds is ignored, as the RFC says of preferences that a server does not understand.
    """
    values = (value.strip('"') for name, value in _preferences(prefer) if name == _WAIT)
    first = next(values, "")
    return int(first) if first.isascii() and first.isdigit() and len(first) <= _MOST_DIGITS else None


def _preferences(prefer: str) -> Iterator[tuple[str, str]]:
    for each in prefer.split(","):
        name, _, value = each.partition(";")[0].partition("=")
        yield name.strip().lower(), value.strip()
