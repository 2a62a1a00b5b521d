"""What ends a process whose input never ends, since native code cannot be interrupted.

A thread looks at the time of what is computed. When something takes longer than it may, the invocation's messages are
shown again at once, and the process ends: a queue would hide them for its whole visibility timeout, and Lambda would
wait for the function's. The next receive works on them in a child process, whose end is a verdict.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambent.ports import HeldMessages

# Of the invocation, for showing its messages again.
_RESERVE_S = 6.0
_LEAST_S = 1.0
# By then this process is gone; sooner, its environment would be asked to start while it still ends.
_SHOWN_AFTER_S = 1
_STALLED = 75  # EX_TEMPFAIL


class StallWatch:
    """Watches what any number of threads compute, within one invocation at a time.

    Parameters
    ----------
    leave   ends the process
    now_s   a clock that only moves forward
    """

    def __init__(self, *, leave: Callable[[int], object] = os._exit, now_s: Callable[[], float] = monotonic) -> None:
        self._leave, self._now_s = leave, now_s
        self._changed = Condition()
        self._ends: dict[object, float] = {}
        self._wakes_at_s: float | None = None
        self._thread: Thread | None = None
        self._give_back: Callable[[], object] | None = None
        self._end_s = 0.0

    @contextmanager
    def invocation(self, left_s: float, give_back: Callable[[], object]) -> Iterator[None]:
        """Watch what is computed within this block; outside of one nothing is watched.

        Parameters
        ----------
        left_s      of the invocation
        give_back   called, in the watching thread, before the process is ended
        """
        self._end_s, self._give_back = self._now_s() + left_s - _RESERVE_S, give_back
        try:
            yield
        finally:
            self._give_back = None

    @contextmanager
    def within(self, limit_s: float) -> Iterator[None]:
        """End the process if this block takes longer, or nearly as long as the invocation may."""
        if self._give_back is None:
            yield
            return
        now_s, key = self._now_s(), object()
        end_s = min(now_s + limit_s, max(now_s + _LEAST_S, self._end_s))
        with self._changed:
            self._ends[key] = end_s
            self._see_to(end_s)
        try:
            yield
        finally:
            with self._changed:
                del self._ends[key]

    def _see_to(self, end_s: float) -> None:
        """Let the thread wake in time; most of the time it would anyhow, since limits are much the same."""
        if self._thread is None or not self._thread.is_alive():
            # In a fork of the process, too, which has one thread only.
            self._thread = Thread(target=self._watch, name="stall-watch", daemon=True)
            self._thread.start()
        if self._wakes_at_s is None or end_s < self._wakes_at_s:
            self._changed.notify_all()

    def _watch(self) -> None:
        with self._changed:
            while not self._is_overdue():
                self._wakes_at_s = min(self._ends.values(), default=None)
                self._changed.wait(None if self._wakes_at_s is None else self._wakes_at_s - self._now_s())
        self._end()

    def _is_overdue(self) -> bool:
        return any(end_s <= self._now_s() for end_s in self._ends.values())

    def _end(self) -> None:
        from lambent.runtime.observability import logger

        give_back = self._give_back
        logger.error("stalled", reason="What is computed takes longer than it may; the process ends.")
        try:
            if give_back is not None:
                give_back()
        except Exception:  # noqa: BLE001 - the process ends, whatever this was
            # It comes back by its queue's visibility timeout.
            logger.exception("message not shown again")
        finally:
            self._leave(_STALLED)


STALL_WATCH = StallWatch()


@contextmanager
def watching(event: Mapping[str, Any], context: LambdaContext, queue: Callable[[], HeldMessages]) -> Iterator[None]:
    """Watch an invocation for messages of ``queue``, which are shown again where its process must end."""
    records: Sequence[Mapping[str, Any]] = event.get("Records") or ()

    def give_back() -> None:
        for record in records:
            queue().hold(record["receiptHandle"], pause_s=_SHOWN_AFTER_S)

    with STALL_WATCH.invocation(context.get_remaining_time_in_millis() / 1000, give_back):
        yield
