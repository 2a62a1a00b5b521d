"""Progress as plain lines of a log, one an epoch and one a step: what a job writes and its follower reads."""

from __future__ import annotations

from time import perf_counter


class LogWatcher:
    """Watcher that prints."""

    def __init__(self) -> None:
        self._what, self._note = "", ""
        self._done, self._total = 0, 0
        self._start_s = 0.0

    def begin(self, what: str, *, total: int) -> None:
        """Begin a step of ``total`` parts."""
        self._what, self._total, self._done, self._note = what, total, 0, ""
        self._start_s = perf_counter()

    def advance(self, note: str = "") -> None:
        """One more part is done."""
        self.show(self._done + 1, note)

    def show(self, done: float, note: str = "") -> None:
        """Print when a whole part is done; shares of one are not for a log."""
        if int(done) == done and done > self._done:
            self._done = int(done)
            took_s = perf_counter() - self._start_s
            self.tell(f"{self._what} {self._done}/{self._total}  {took_s:.1f} s  {note}".rstrip())

    def tell(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)
