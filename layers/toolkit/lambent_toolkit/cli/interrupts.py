"""Signals that end a command, and are not lost.

Python turns a signal into an exception wherever the main thread happens to be. In a finalizer, in a callback of native
code or in somebody's bare ``except`` it is dropped, and the command goes on as if nobody had asked: TensorFlow runs
finalizers with every batch. So the exception is raised again, until it is on its way out.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# Between two looks at whether a signal's exception is on its way.
AGAIN_AFTER_S = 0.5


class _Insistence:
    """The signals' exception, and whether it was dropped."""

    def __init__(self, error_of: Callable[[int], BaseException]) -> None:
        self._error_of = error_of
        self._number = 0
        self._raised: BaseException | None = None
        self._alarm_before: object = None
        self._timer_before = (0.0, 0.0)

    def heed(self, number: int, _frame: FrameType | None) -> NoReturn:
        """Raise the signal's exception, and see to it that it arrives."""
        if self._raised is None:
            self._alarm_before = signal.signal(signal.SIGALRM, self._look)
            self._timer_before = signal.setitimer(signal.ITIMER_REAL, AGAIN_AFTER_S, AGAIN_AFTER_S)
        self._number = number
        self._raise()

    def end(self) -> None:
        """Look no more, leave the alarm as it was, and let go of the exception with all that its frames hold."""
        if self._raised is not None:
            self._raised = None
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._alarm_before)  # type: ignore[arg-type]
            signal.setitimer(signal.ITIMER_REAL, *self._timer_before)

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_on_its_way():
            self._raise()

    def _raise(self) -> NoReturn:
        self._raised = self._error_of(self._number)
        raise self._raised

    def _is_on_its_way(self) -> bool:
        """Return whether what runs now is a ``finally``, an ``except`` or an end of a ``with`` that it has come to."""
        error = sys.exc_info()[1]
        while error is not None and error is not self._raised:
            error = error.__context__
        return error is not None


@contextmanager
def insisting(signals: Sequence[int], error_of: Callable[[int], BaseException]) -> Iterator[None]:
    """Raise an exception of a block's own when a signal comes, again if it was dropped; in the main thread alone.

    Parameters
    ----------
    signals    numbers
    error_of   a signal's number → the exception that ends the block
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    insistence = _Insistence(error_of)
    before = {number: signal.signal(number, insistence.heed) for number in signals}
    try:
        yield
    finally:
        try:
            for number, handler in before.items():
                signal.signal(number, handler)
        finally:
            insistence.end()


@contextmanager
def interrupting() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C, again if it was dropped; a SIGINT that is somebody else's stays theirs."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    with insisting([signal.SIGINT], lambda _number: KeyboardInterrupt()):
        yield
