"""The account's concurrency: how many invocations of all functions together may run at once."""

from __future__ import annotations


class AccountConcurrency:
    """Counts invocations of functions without reserved concurrency.

    Parameters
    ----------
    limit : int   the account's limit
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._reserved = limit, 0
        self._running = 0

    def reserve(self, count: int) -> None:
        """Take out what functions reserve for themselves, in place of what was reserved before."""
        self._reserved = count

    def enter(self) -> bool:
        """Count one invocation in; return whether there was room."""
        if self._running >= self._limit - self._reserved:
            return False
        self._running += 1
        return True

    def leave(self) -> None:
        """Count one out."""
        self._running -= 1
