"""Small requests that would grow: each is refused within 128 MB and in few steps, and the next request is fine.

Each bomb goes off in a process of its own (`bomb_program.py`), which answers a good request before and one after.
The most memory that it has meanwhile is compared with what it had before; steps are calls of functions, which are the
same on any machine. What the steps take, two seconds of the processor at most, is told by `bench/bench_bombs.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bombs import BOMBS

FOLDER = Path(__file__).parent
MAX_GROWTH_BYTES = 128 * 1024 * 1024
# A body has room for a million values, and a look at each of them is five calls.
MAX_STEPS = 5_000_000
STARTED_TOGETHER = 7


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict]:
    """Return what became of each bomb, by name; a few share the start of a process, never its peak of memory."""
    names = list(BOMBS)
    found = {}
    for start in range(0, len(names), STARTED_TOGETHER):
        done = subprocess.run(
            [sys.executable, str(FOLDER / "bomb_program.py"), "steps", *names[start : start + STARTED_TOGETHER]],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": f"{FOLDER}{os.pathsep}{FOLDER.parent}"},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found.update({each["name"]: each for each in map(json.loads, done.stdout.splitlines())})
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_its_bounds_and_the_next_request_is_fine(outcomes: dict, name: str) -> None:
    outcome = outcomes[name]

    assert outcome["grown_bytes"] <= MAX_GROWTH_BYTES
    assert outcome["steps"] <= MAX_STEPS
