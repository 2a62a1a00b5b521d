"""How long-running steps tell of their progress, without knowing who shows it."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Is told what runs and how far it is."""

    def begin(self, what: str, *, total: int) -> None:
        """Begin a step of ``total`` parts; the one before it is over."""
        ...

    def advance(self, note: str = "") -> None:
        """One more part is done; ``note`` says what came out of it."""
        ...

    def show(self, done: float, note: str = "") -> None:
        """So many parts are done, of the last one perhaps a share only."""
        ...

    def tell(self, line: str) -> None:
        """Show a line that stays."""
        ...


class Silence:
    """Watcher that shows nothing."""

    def begin(self, what: str, *, total: int) -> None:
        """Do nothing."""

    def advance(self, note: str = "") -> None:
        """Do nothing."""

    def show(self, done: float, note: str = "") -> None:
        """Do nothing."""

    def tell(self, line: str) -> None:
        """Do nothing."""


SILENCE: Watcher = Silence()
