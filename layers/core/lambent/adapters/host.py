"""The host that a worker runs on: its processors and its memory."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path
from threading import get_native_id

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")
_OWN_SCORE = Path("/proc/self/oom_score_adj")
_FIRST_TO_GO = "1000"
_PR_SET_PDEATHSIG = 1
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


def die_with(parent: int) -> None:
    """Let the kernel end this process with its parent, however that one ends: prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def offer_to_memory_killer() -> None:
    """Let the kernel end this process before all others of its container where memory runs out: proc(5).

    Where that may not be asked for, it goes by size, and this one is the largest.
    """
    with suppress(OSError):
        _OWN_SCORE.write_text(_FIRST_TO_GO)


def memory_kills() -> int:
    """Return how many processes of this container the kernel has ended for want of memory (cgroup v2); 0 elsewhere."""
    events = _CGROUP / "memory.events"
    counts = dict(line.split() for line in events.read_text().splitlines()) if events.is_file() else {}
    return int(counts.get("oom_kill", 0))


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
