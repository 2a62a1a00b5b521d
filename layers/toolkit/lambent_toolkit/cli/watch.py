"""Progress on the console: live bars on a terminal, one line a finished step anywhere else."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

_TELL_EVERY_S = 30  # a log of an hour's training should not stay silent for the hour


class ConsoleWatcher:
    """Shows the steps of the model kit, and anything else that counts its parts; a context manager.

    Parameters
    ----------
    console   where to show; must not write to stderr, which TensorFlow's imports borrow
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = _bars(console) if console.is_terminal else None
        self._task: TaskID | None = None
        self._what, self._note = "", ""
        self._done = self._total = 0
        self._start_s = self._told_s = 0.0

    def __enter__(self) -> Self:
        """Start showing."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last step as done, unless the block failed."""
        if exc is None:
            self._finish()
        if self._live is not None:
            self._live.stop()

    def begin(self, what: str, *, total: int) -> None:
        """Begin a step of ``total`` parts; the one before it is over."""
        self._finish()
        self._what, self._note, self._done, self._total = what, "", 0, total
        self._start_s = self._told_s = perf_counter()
        if self._live is not None:
            self._task = self._live.add_task(what, total=total, note="")

    def advance(self, note: str = "") -> None:
        """One more part is done."""
        self.show(self._done + 1, note)

    def show(self, done: float, note: str = "") -> None:
        """So many parts are done now, of the last one perhaps a share only."""
        self._done, self._note = int(done), note
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=done, note=escape(note))
        elif perf_counter() - self._told_s > _TELL_EVERY_S:
            self._print()

    def tell(self, line: str) -> None:
        """Show a line that stays, above the bars."""
        self._console.print(f"  {escape(line)}", soft_wrap=True)

    def _finish(self) -> None:
        if not self._what:
            return
        if self._live is None:
            self._print()
        elif self._task is not None:
            self._live.update(self._task, completed=self._total)
        self._what = ""

    def _print(self) -> None:
        self._told_s = perf_counter()
        took_s = self._told_s - self._start_s
        line = f"  {self._what:<26} {self._done}/{self._total}  {took_s:5.1f} s  {self._note}"
        self._console.print(escape(line.rstrip()), soft_wrap=True)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn(""),  # the indentation of everything between two headings
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}", table_column=Column(width=24, no_wrap=True)),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}[/]", table_column=Column(width=46, no_wrap=True, overflow="ellipsis")),
        console=console,
        refresh_per_second=8,
    )
