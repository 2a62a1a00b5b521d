"""Files and folders of a stack that nobody else on this machine may read: they hold its API key, inputs and answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

FOLDER_MODE, FILE_MODE = 0o700, 0o600
# What is in a folder that has been a stack's before, beside what a stack's start puts there first.
MARKS = {"lock", "supervisor.log"}


def private_folder(path: Path) -> None:
    """Make a folder for a stack, and one that was made for stacks its owner's alone; others keep their mode.

    A folder that holds what no stack has put there may be anybody's, such as one in which a project lies.
    """
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    entries = {each.name for each in path.iterdir()}
    if not entries or entries & MARKS:
        path.chmod(FOLDER_MODE)


def private_open(path: Path, mode: str, *, buffering: int = -1) -> IO[Any]:
    """Open a file to write, which its owner alone may read; one that is there already becomes so."""
    file = open(path, mode, buffering, opener=lambda name, flags: os.open(name, flags, FILE_MODE))  # noqa: SIM115 - the caller's
    os.fchmod(file.fileno(), FILE_MODE)
    return file
