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

# As Docker: the container's first process alone is told, the end is for its whole group.
ENDED = [(signal.SIGTERM, "first"), ("grace", 30.0), (signal.SIGKILL, 7)]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return where signals and pauses are noted instead of sent and waited."""
    noted: list[Any] = []

    async def note(pause_s: float) -> None:
        noted.append(("grace", pause_s))

    monkeypatch.setattr(batch_attempt.asyncio, "sleep", note)
    monkeypatch.setattr(os, "killpg", lambda pid, number: noted.append((number, pid)))
    return noted


def unstarted() -> RunningAttempt:
    host = AttemptHost("http://nowhere", Path("/nowhere"), Path("/nowhere"), 30.0)
    return RunningAttempt(SimpleNamespace(), SimpleNamespace(), host)


def start(attempt: RunningAttempt, steps: list[Any]) -> None:
    attempt._process = SimpleNamespace(pid=7, send_signal=lambda number: steps.append((number, "first")))
    attempt._is_started.set()


def test_a_process_is_asked_to_end_and_killed_after_the_grace_and_not_before(steps: list[Any]) -> None:
    async def stop_twice() -> None:
        attempt = unstarted()
        start(attempt, steps)
        attempt.stop("enough")
        attempt.stop("enough, I said")
        await attempt._stopping

    asyncio.run(stop_twice())

    assert steps == ENDED


def test_an_attempt_that_is_stopped_before_its_process_is_there_ends_it_all_the_same(steps: list[Any]) -> None:
    async def stop_early() -> None:
        attempt = unstarted()
        attempt.stop("enough")
        for _ in range(9):
            await asyncio.wait({attempt._stopping}, timeout=0)
        assert steps == []
        start(attempt, steps)
        await attempt._stopping

    asyncio.run(stop_early())

    assert steps == ENDED
