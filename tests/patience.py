"""Waiting for what comes later: for a condition, never for a time.

A limit is against what hangs, and no busy machine may reach it: tests pass as soon as the condition holds.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.05
# Under pytest's own limit of 600 s, so that it is told what was waited for.
PATIENCE_S = 300.0


def wait_for(look: Callable[[], T | None], *, what: str, patience_s: float = PATIENCE_S) -> T:
    """Look again and again until there is something that counts as true."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        found = look()
        if found:
            return found
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"{what} did not happen within {patience_s:.0f} s")
