"""The host that a worker runs on: its processors and its memory."""

from __future__ import annotations

import os
from pathlib import Path
from threading import get_native_id

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")
_BEHIND = 10


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def step_behind() -> None:
    """Let this thread, and no other, come after those of ordinary rank: it gets the time that they leave, and a little.

    Linux ranks threads, not processes only: setpriority(2), under "C library/kernel differences".
    """
    thread = get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _BEHIND)


def free_memory_bytes() -> int:
    """Return how much memory this process may still take: what the host has left, or the container (cgroup v2)."""
    left = [_available_bytes()]
    limit, used = _CGROUP / "memory.max", _CGROUP / "memory.current"
    if limit.is_file() and (most := limit.read_text().strip()) != "max":
        left.append(int(most) - int(used.read_text()))
    return max(0, min(left))


def _available_bytes() -> int:
    lines = (line.split() for line in _MEMINFO.read_text().splitlines())
    return next(int(words[1]) << 10 for words in lines if words[0] == "MemAvailable:")
