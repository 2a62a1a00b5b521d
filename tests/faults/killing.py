"""A process that forks others, which die where they are told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patience import PATIENCE_S

FOLDER = Path(__file__).parent


class Killing:
    """Talks to `killed_program.py`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def shard(self, job_id: str, shard: int, die: dict[str, Any] | None = None) -> int:
        """Run one attempt of a shard; return its exit status, -9 if it was killed."""
        return int(
            self._ask({"do": "shard", "job": job_id, "shard": shard, "die": die, "log": str(self._log)})["status"]
        )

    def careful(
        self,
        do: str,
        job_id: str,
        shard: int,
        *,
        attempt: int = 1,
        kind: str = "none",
        where: str = "model",
        die: dict[str, Any] | None = None,
    ) -> int:
        """Run one attempt of a shard as a lane does, ``do`` being "container" or "invocation"; return its status."""
        task = {"do": do, "job": job_id, "shard": shard, "attempt": attempt, "kind": kind, "where": where, "die": die}
        return int(self._ask({**task, "log": str(self._log)})["status"])

    def submit(self, request: str, key: str, die: dict[str, Any] | None = None) -> tuple[int, bool]:
        """Submit a batch; return the exit status and whether it was acknowledged."""
        answer = self._ask({"do": "submit", "request": request, "key": key, "die": die})
        return int(answer["status"]), bool(answer["acked"])

    def computed(self) -> int:
        """Return how many items interpreters were given since the last time."""
        rows = sum(map(int, self._log.read_text().split())) if self._log.exists() else 0
        self._log.unlink(missing_ok=True)
        return rows

    def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def killing(environment: dict[str, str], folder: Path) -> Iterator[Killing]:
    """Start the process; ``environment`` names the store."""
    process = subprocess.Popen(
        [sys.executable, str(FOLDER / "killed_program.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment, "PYTHONPATH": f"{FOLDER}{os.pathsep}{FOLDER.parent}"},
    )
    try:
        yield Killing(process, folder / "computed.log")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()
