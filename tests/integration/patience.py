"""Waiting for what comes later."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.05


def wait_for(look: Callable[[], T | None], *, what: str, patience_s: float = 30.0) -> T:
    """Look again and again until there is something that counts as true."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        found = look()
        if found:
            return found
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"{what} did not happen within {patience_s:.0f} s")
