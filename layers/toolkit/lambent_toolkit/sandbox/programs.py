"""Programs that a start runs to their end, and that must not outlive it when it is cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Programs:
    """Runs programs from worker threads; `kill` ends what runs, from any thread."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._is_killed = False

    def run(self, command: list[str], *, cwd: Path | None, env: Mapping[str, str]) -> tuple[int, str]:
        """Run a program in a process group of its own; return its exit code and what it said last."""
        process = subprocess.Popen(  # noqa: S603 - sam and uv with our own arguments
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.add(process)
        if self._is_killed:
            self.kill()
        try:
            said, _ = process.communicate()
        finally:
            self._running.discard(process)
        return process.returncode, "\n".join(said.strip().splitlines()[-15:])

    def kill(self) -> None:
        """End every program, and every later one at once."""
        self._is_killed = True
        for process in list(self._running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
