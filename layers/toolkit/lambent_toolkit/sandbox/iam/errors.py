"""What may go wrong when access is judged."""

from __future__ import annotations


class BadPolicy(Exception):
    """A policy has something that cannot be judged, so nothing may be allowed or refused by it."""


class Unjudged(Exception):
    """A request is none that the local stack can judge; it is refused loudly, never allowed."""
