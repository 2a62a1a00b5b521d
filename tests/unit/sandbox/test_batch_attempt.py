"""How an attempt of a job is ended: asked first, killed when its grace is over."""

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lambent_toolkit.sandbox import batch_attempt
from lambent_toolkit.sandbox.batch_attempt import AttemptHost, RunningAttempt


def test_a_process_is_asked_to_end_and_killed_after_the_grace_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Any] = []

    async def note(pause_s: float) -> None:
        steps.append(("grace", pause_s))

    monkeypatch.setattr(batch_attempt.asyncio, "sleep", note)
    monkeypatch.setattr(os, "killpg", lambda pid, number: steps.append((number, pid)))
    host = AttemptHost("http://nowhere", Path("/nowhere"), Path("/nowhere"), 30.0)

    async def stop_twice() -> None:
        attempt = RunningAttempt(SimpleNamespace(), SimpleNamespace(), host)
        attempt._process = SimpleNamespace(pid=7)
        attempt.stop("enough")
        attempt.stop("enough, I said")
        await attempt._stopping

    asyncio.run(stop_twice())

    assert steps == [(signal.SIGTERM, 7), ("grace", 30.0), (signal.SIGKILL, 7)]
