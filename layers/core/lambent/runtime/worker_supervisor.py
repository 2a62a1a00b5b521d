"""The worker's first process: small, without an interpreter, and alive when an item ends the one that computes.

It is the container's process 1, so it also passes SIGTERM on and takes orphans. That the shard's process dies with an
item, or stands still, uses up none of AWS Batch's attempts: the next process is told what was in flight.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import NoReturn

from lambent.adapters.host import die_with, memory_kills, offer_to_memory_killer
from lambent.adapters.shared_marks import SharedMarks
from lambent.domain.suspicion import End, Suspicion
from lambent.runtime.stop_signal import GRACE_S

# More than the shard's process takes for itself; with it within the 5 s that are promised.
STOP_WITHIN_S = GRACE_S + 1.0
_WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_STOPPING = {signal.SIGTERM, signal.SIGINT}
# Whoever runs a worker may end it by these, and so may the system for want of memory.
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_BY_SIGNAL = 128
_POLL_S = 0.2
_CRASHED = 1

Leave = Callable[[int], NoReturn]
Run = Callable[[SharedMarks, Suspicion | None, Leave], int]


@dataclass(frozen=True)
class _Ended:
    """How a child ended: the exit code that it told before, if it did, its status, and whether it stood still."""

    told: int | None
    status: int
    is_stalled: bool
    is_out_of_memory: bool


class WorkerSupervisor:
    """Runs a shard in child processes until one ends by its own will.

    Parameters
    ----------
    run             what a child does: it gets the marks, what is known of the shard's items (None at first) and a way
                    to leave at once with an exit code; it returns the exit code
    exit_temporary  exit code of a worker that was told to stop and could say nothing itself
    stall_s         how long nothing may be marked while items are in flight
    say             told of each death, with fields
    now_s           a clock that only moves forward
    """

    def __init__(
        self,
        run: Run,
        *,
        exit_temporary: int,
        stall_s: float,
        say: Callable[..., None],
        now_s: Callable[[], float] = monotonic,
    ) -> None:
        self._run = run
        self._exit_temporary = exit_temporary
        self._stall_s = stall_s
        self._say = say
        self._now_s = now_s
        self._marks = SharedMarks()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        self._stop_by_s: float | None = None

    def run(self) -> int:
        """Return the exit code of the worker: what the shard's process told, or how it died with no item in flight."""
        known: Suspicion | None = None
        while True:
            ended = self._run_child(known)
            if ended.told is not None:
                return ended.told
            if self._stop_by_s is not None:
                return self._exit_temporary
            found = self._marks.found()
            end = self._describe(ended)
            self._say("died", how=end.text, alone=found.alone, in_flight=len(found.together))
            if not found:
                return _exit_code(ended.status)
            known = self._marks.known().after(found, end)

    def _run_child(self, known: Suspicion | None) -> _Ended:
        self._marks.clear()
        reader, writer = os.pipe()
        before = memory_kills()
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._be_child(known, writer, parent)
        os.close(writer)
        try:
            status, is_stalled = self._wait(child)
            told = os.read(reader, 1)
        finally:
            os.close(reader)
        return _Ended(told[0] if told else None, status, is_stalled, memory_kills() > before)

    def _be_child(self, known: Suspicion | None, writer: int, parent: int) -> NoReturn:
        def leave(code: int) -> NoReturn:
            # What an item does to end this process can say nothing here, exit status 0 or not.
            os.write(writer, bytes([code]))
            os._exit(code)

        try:
            die_with(parent)
            offer_to_memory_killer()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            leave(self._run(self._marks, known, leave))
        except BaseException:  # noqa: BLE001 - the top of a process
            traceback.print_exc()
        finally:
            os._exit(_CRASHED)

    def _wait(self, child: int) -> tuple[int, bool]:
        """Return the child's status, and whether it was ended because it stood still."""
        pulse, moved_s, is_stalled = self._marks.pulse(), self._now_s(), False
        while True:
            got = signal.sigtimedwait(_WATCHED, _POLL_S)
            if got is not None and got.si_signo in _STOPPING and self._stop_by_s is None:
                self._stop_by_s = self._now_s() + STOP_WITHIN_S
                os.kill(child, signal.SIGTERM)
            if (status := _reap(child)) is not None:
                return status, is_stalled
            if (seen := self._marks.pulse()) != pulse:
                pulse, moved_s = seen, self._now_s()
            is_stalled = self._now_s() - moved_s > self._stall_s and bool(self._marks.found())
            if is_stalled or (self._stop_by_s is not None and self._now_s() > self._stop_by_s):
                os.kill(child, signal.SIGKILL)

    def _describe(self, ended: _Ended) -> End:
        if ended.is_stalled:
            return End(f"took more than {self._stall_s:g} s", is_evident=True)
        code = os.waitstatus_to_exitcode(ended.status)
        if ended.is_out_of_memory:
            return End("took more memory than there is", is_evident=True)
        if code >= 0:
            return End(f"ended with status {code}", is_evident=True)
        return End(f"died of {signal.Signals(-code).name}", is_evident=-code not in _FROM_OUTSIDE)


def _reap(child: int) -> int | None:
    """Take all that have ended, orphans too; return the child's status if it is among them."""
    found = None
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if process == 0:
            return found
        if process == child:
            found = status


def _exit_code(status: int) -> int:
    """Return what a shell, and so a container, makes of a status; one that says done, untold, is a crash."""
    code = os.waitstatus_to_exitcode(status)
    return _BY_SIGNAL - code if code < 0 else code or _CRASHED
