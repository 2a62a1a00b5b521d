"""One child process for one piece of work: forked, limited, listened to, and ended whatever becomes of it.

A forked child must not use an interpreter of its parent, whose threads it does not have (tensorflow#49266), and must
import nothing, since a lock of the import system may be held by a thread that it does not have either. So it makes an
interpreter of its own, by modules that are loaded already. Forking takes 3 ms; a fresh Python with NumPy takes 120.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import NoReturn

_READ_BYTES = 1 << 20
_LENGTH_BYTES = 8
_MIB = 1 << 20
_STDERR = 2
# While a pipe's writing end is open here, no other thread may fork: its child would hold that end open, too.
_FORKING = Lock()


@dataclass(frozen=True)
class Limits:
    """What a child may have; None sets no limit.

    Parameters
    ----------
    timeout_s      after which it is killed
    memory_bytes   that it may take besides what its parent has
    file_bytes     that it may write to a file
    is_quiet       whether what it says on its own account, panics for instance, goes nowhere
    """

    timeout_s: float
    memory_bytes: int | None
    file_bytes: int | None = None
    is_quiet: bool = False


@dataclass(frozen=True)
class Told:
    """What a child has told: None if it died before, or was killed because it took too long.

    ``end`` says how it died, e.g. ``it died of SIGFPE``, and is None for one that took too long.
    """

    body: bytes | None
    end: str | None = None


def run_in_child(tell: Callable[[], bytes], limits: Limits) -> Told:
    """Return what ``tell`` returns in a child process, which never comes back from it; any thread may ask."""
    with _FORKING:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _FORKING.release()  # the child's own copy; it may have children itself
            os.close(reader)
            _play(tell, writer, limits)
        os.close(writer)
    try:
        body, is_late = _read(reader, monotonic() + limits.timeout_s)
    finally:
        os.close(reader)
        # It may only be about to end; a child that has told everything is not needed any more.
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return Told(body, None if body is not None or is_late else _describe_end(status))


def resident_bytes() -> int:
    """Return how much of this process is in memory; a child does not begin with its parent's mapped files there."""
    return _memory("VmRSS")


def _play(tell: Callable[[], bytes], writer: int, limits: Limits) -> NoReturn:
    try:
        _limit_this_process(limits)
        body = tell()
        _write(writer, len(body).to_bytes(_LENGTH_BYTES) + body)
    finally:
        # Neither the parent's exit handlers nor its buffered output are the child's business.
        os._exit(0)


def _write(writer: int, body: bytes) -> None:
    left = memoryview(body)
    while left:
        left = left[os.write(writer, left) :]


def _read(reader: int, until_s: float) -> tuple[bytes | None, bool]:
    """Return what a child tells, None if not all of it comes; and whether that is because of the time."""
    told = bytearray()
    while (left_s := until_s - monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], left_s)
        if not ready:
            continue
        part = os.read(reader, _READ_BYTES)
        if not part:
            return None, False
        told += part
        if len(told) >= _LENGTH_BYTES and len(told) >= _LENGTH_BYTES + int.from_bytes(told[:_LENGTH_BYTES]):
            return bytes(told[_LENGTH_BYTES:]), False
    return None, True


def _describe_end(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"it died of {signal.Signals(-code).name}" if code < 0 else f"it ended with status {code}"


def _limit_this_process(limits: Limits) -> None:
    # A core file of the whole process would fill /tmp.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The parent ends it before; but if the parent dies, nobody else ends what computes for ever.
    _lower(resource.RLIMIT_CPU, ceil(limits.timeout_s + 1) * (os.cpu_count() or 1))
    if limits.memory_bytes is not None:
        _lower(resource.RLIMIT_DATA, _memory("VmData") + max(limits.memory_bytes, _MIB))
    if limits.file_bytes is not None:
        _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    if limits.is_quiet:
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)


def _lower(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _memory(name: str) -> int:
    """Return a size of this process, which proc(5) tells in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024
