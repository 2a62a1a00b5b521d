"""Try out in a child process what may crash, hang or take all memory, before this process does the same, or instead.

A signature and a digest say who made a model, not that the interpreter survives it: LiteRT answers some files with a
segmentation fault (google-ai-edge/LiteRT#10080). The same holds for inputs: a model that is well-behaved for all golden
vectors may divide by zero, or never end, for one picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lambent.adapters.forked_child import Limits, Told, resident_bytes, run_in_child
from lambent.errors import (
    BrokenArtifact,
    LambentError,
    ManifestInvalid,
    ModelLoadFailed,
    ProcessingCrashed,
    restore_error,
)

_RETURNED, _TOLD = b"r", b"t"
_KILLED = "it died of SIGKILL"


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
        told = _try_out(lambda: _attempt(act, BrokenArtifact), Limits(self._timeout_s, _room(self._memory_bytes)))
        if told.body is not None:
            _judge(told.body)
        elif told.end is None:
            raise ModelLoadFailed(
                f"The model did not load and answer its golden vectors within {self._timeout_s:g} s.",
                limit=self._timeout_s,
            )
        else:
            raise ModelLoadFailed(
                f"The interpreter does not survive the model: {told.end} while loading it or answering its golden "
                "vectors.",
                got=told.end,
            )


class ForkedIsolation:
    """Forks for each reading, with ``memory_bytes`` more than this process has, and ``file_bytes`` to write.

    What the child says on its own account, panics for instance, goes nowhere.
    """

    def __init__(self, *, timeout_s: float, memory_bytes: int, file_bytes: int) -> None:
        self._limits = Limits(timeout_s, memory_bytes, file_bytes, is_quiet=True)

    def run(self, act: Callable[[], object]) -> None:
        """Run ``act`` in a child process.

        Raises
        ------
        ManifestInvalid   the child raised anything, died, hung, or ran out of memory or of room for its files
        """
        told = _try_out(lambda: _attempt(act, BrokenArtifact), self._limits)
        if told.body is not None:
            answer = json.loads(told.body)
            if "failed" in answer or "refused" in answer:
                raise _unreadable("it is damaged, or takes more memory than there is")
        elif told.end is None:
            raise _unreadable(f"it takes more than {self._limits.timeout_s:g} s", limit=self._limits.timeout_s)
        else:
            raise _unreadable(f"its reader did not survive it, {told.end}")


class ForkedComputing:
    """Forks for each computing, and brings back what it returned. Any number of threads may use one of these.

    Parameters
    ----------
    limit_s        returns the seconds after which a child is killed that starts now
    memory_bytes   as for `ForkedRehearsal`
    """

    def __init__(self, *, limit_s: Callable[[], float], memory_bytes: int | None) -> None:
        self._limit_s = limit_s
        self._memory_bytes = memory_bytes

    def run(self, act: Callable[[], bytes]) -> bytes:
        """Return what ``act`` returns in a child process.

        Raises
        ------
        LambentError        what ``act`` raised
        ProcessingCrashed   the child died, hung, ran out of memory, ended itself, or raised anything else
        """
        limits = Limits(self._limit_s(), _room(self._memory_bytes), is_quiet=True)
        told = _try_out(lambda: _answer(act), limits)
        if told.body is None:
            if told.end is None:
                raise _crashed(f"took more than {limits.timeout_s:.3g} s", limit=round(limits.timeout_s, 3))
            raise _crashed(told.end.removeprefix("it "))
        if told.body[:1] == _RETURNED:
            return told.body[1:]
        answer = json.loads(told.body[1:])
        if "refused" in answer:
            raise restore_error(answer["refused"])
        raise _crashed(answer["failed"])


def _try_out(tell: Callable[[], bytes], limits: Limits) -> Told:
    """Return what a child tells. One that was killed is followed by a second one, whose end counts.

    SIGKILL comes from others: the system's, which ran out of memory and chose this process, says nothing of the input.
    """
    told = run_in_child(tell, limits)
    return run_in_child(tell, limits) if told.end == _KILLED else told


def _unreadable(reason: str, *, limit: float | None = None) -> ManifestInvalid:
    return ManifestInvalid(f"The table cannot be read: {reason}.", field="input.uri", limit=limit)


def _crashed(end: str, *, limit: float | None = None) -> ProcessingCrashed:
    return ProcessingCrashed(
        f"The process that worked on this input {end}. It is not tried again: change the input, or use a version of "
        "the model that survives it.",
        limit=limit,
        got=end,
    )


def _room(memory_bytes: int | None) -> int | None:
    return None if memory_bytes is None else memory_bytes - resident_bytes()


def _answer(act: Callable[[], bytes]) -> bytes:
    """Return what ``act`` returns, or what became of it as JSON; the first byte tells which."""
    returned = b""

    def keep() -> None:
        nonlocal returned
        returned = act()

    told = _attempt(keep, LambentError)
    return _RETURNED + returned if told == _encode({}) else _TOLD + told


def _attempt(act: Callable[[], object], refusal: type[LambentError]) -> bytes:
    """Return what came of it as JSON; errors of the type ``refusal`` come back as they are."""
    try:
        act()
    except refusal as error:
        return _encode({"refused": error.to_dict()})
    except MemoryError:
        return _encode({"failed": "ran out of memory"})
    except BaseException as error:  # noqa: BLE001 - the top of a process; panics of Rust are no Exception
        return _encode({"failed": f"ended with {type(error).__name__}"})
    return _encode({})


def _encode(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, default=str).encode()


def _judge(told: bytes) -> None:
    answer = json.loads(told)
    if "refused" in answer:
        raise restore_error(answer["refused"])
    if "failed" in answer:
        raise ModelLoadFailed(f"Loading the model or answering its golden vectors {answer['failed']}.")
