"""Try out in a child process what may crash, hang or take all memory, before this process does the same, or instead.

A signature and a digest say who made a model, not that the interpreter survives it: LiteRT answers some files with a
segmentation fault (google-ai-edge/LiteRT#10080). Forking takes 3 ms; a fresh Python with NumPy would take 120.

A forked child must not use an interpreter of its parent, whose threads it does not have (tensorflow#49266), and must
import nothing, since a lock of the import system may be held by a thread that it does not have either. So it makes an
interpreter of its own, by modules that are loaded already.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from lambent.errors import BrokenArtifact, ManifestInvalid, ModelLoadFailed, restore_error

_MOST_BYTES = 65_536
_MIB = 1 << 20
_STDERR = 2


@dataclass(frozen=True)
class _Limits:
    """What a child may have; None sets no limit."""

    timeout_s: float
    memory_bytes: int | None
    file_bytes: int | None = None
    is_quiet: bool = False


class ForkedRehearsal:
    """Forks for each rehearsal.

    Parameters
    ----------
    timeout_s       after which the child is killed
    memory_bytes    what this process and its child may hold together; None sets no limit. The child's share is what
                    this process leaves of it, so that the child's allocation fails before the system picks a victim.
    """

    def __init__(self, *, timeout_s: float, memory_bytes: int | None) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes

    def run(self, act: Callable[[], object]) -> None:
        """Run ``act`` in a child process.

        Raises
        ------
        BrokenArtifact    what ``act`` raised
        ModelLoadFailed   the child died, hung, ran out of memory, or raised anything else
        """
        # Of this process: a child does not begin with its parent's mapped files in memory.
        room_bytes = None if self._memory_bytes is None else self._memory_bytes - _memory("VmRSS")
        told, status = _run(act, _Limits(self._timeout_s, room_bytes))
        if told is None:
            raise ModelLoadFailed(
                f"The model did not load and answer its golden vectors within {self._timeout_s:g} s.",
                limit=self._timeout_s,
            )
        _judge(told, status)


class ForkedIsolation:
    """Forks for each reading, with ``memory_bytes`` more than this process has, and ``file_bytes`` to write.

    What the child says on its own account, panics for instance, goes nowhere.
    """

    def __init__(self, *, timeout_s: float, memory_bytes: int, file_bytes: int) -> None:
        self._limits = _Limits(timeout_s, memory_bytes, file_bytes, is_quiet=True)

    def run(self, act: Callable[[], object]) -> None:
        """Run ``act`` in a child process.

        Raises
        ------
        ManifestInvalid   the child raised anything, died, hung, or ran out of memory or of room for its files
        """
        told, status = _run(act, self._limits)
        if told is None:
            raise _unreadable(f"it takes more than {self._limits.timeout_s:g} s", limit=self._limits.timeout_s)
        if not told:
            raise _unreadable(f"its reader did not survive it, {_describe_end(status)}")
        answer = json.loads(told)
        if "failed" in answer or "refused" in answer:
            raise _unreadable("it is damaged, or takes more memory than there is")


def _unreadable(reason: str, *, limit: float | None = None) -> ManifestInvalid:
    return ManifestInvalid(f"The table cannot be read: {reason}.", field="input.uri", limit=limit)


def _run(act: Callable[[], object], limits: _Limits) -> tuple[bytes | None, int]:
    """Return what a child told, None if it hung, and how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _play(act, writer, limits)
    os.close(writer)
    try:
        told = _read_until(reader, monotonic() + limits.timeout_s)
    finally:
        os.close(reader)
        # It may only be about to end; a child that has told everything is not needed any more.
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return told, status


def _play(act: Callable[[], object], writer: int, limits: _Limits) -> NoReturn:
    try:
        _limit_this_process(limits)
        os.write(writer, _attempt(act))
    finally:
        # Neither the parent's exit handlers nor its buffered output are the child's business.
        os._exit(0)


def _attempt(act: Callable[[], object]) -> bytes:
    """Return what came of it as JSON."""
    try:
        act()
    except BrokenArtifact as error:
        return _encode({"refused": error.to_dict()})
    except MemoryError:
        return _encode({"failed": "ran out of memory"})
    except BaseException as error:  # noqa: BLE001 - the top of a process; panics of Rust are no Exception
        return _encode({"failed": f"ended with {type(error).__name__}"})
    return _encode({})


def _encode(answer: dict[str, Any]) -> bytes:
    # At most what a pipe takes at once; an error's text is far shorter.
    return json.dumps(answer, default=str).encode()[:_MOST_BYTES]


def _judge(told: bytes, status: int) -> None:
    if not told:
        raise ModelLoadFailed(
            f"The interpreter does not survive the model: {_describe_end(status)} while loading it or answering its "
            "golden vectors.",
            got=_describe_end(status),
        )
    answer = json.loads(told)
    if "refused" in answer:
        raise restore_error(answer["refused"])
    if "failed" in answer:
        raise ModelLoadFailed(f"Loading the model or answering its golden vectors {answer['failed']}.")


def _read_until(reader: int, until_s: float) -> bytes | None:
    """Return all that comes before the other end closes, None if it does not close in time."""
    parts = b""
    while (left_s := until_s - monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], left_s)
        part = os.read(reader, _MOST_BYTES) if ready else None
        if part == b"":
            return parts
        parts += part or b""
    return None


def _describe_end(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"it died of {signal.Signals(-code).name}" if code < 0 else f"it ended with status {code}"


def _limit_this_process(limits: _Limits) -> None:
    # A core file of the whole process would fill /tmp.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
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
