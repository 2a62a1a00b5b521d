"""The console that all commands print to."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rich.console import Console

# A log or a pipe has no width of its own; rich would take 80 columns and cut the tables.
_LOG_COLUMNS = 100


def screen() -> Console:
    """Return a console on stdout: the terminal's width there, 100 columns and no live displays anywhere else."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_COLUMNS)


def typed(path: Path) -> str:
    """Return a path as it is typed in a shell: a command that is proposed must work for folders with spaces too."""
    return shlex.quote(str(path))
