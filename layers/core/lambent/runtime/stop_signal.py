"""SIGTERM for a container: time to finish what is in hand, and an end that no call into C code can delay.

It comes when AWS Batch ends a job: cancelled, or over its time. Spot capacity that is taken back promises none: a
container hears of it as late as Docker does, or never. There checkpoints alone bound what is lost.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Event, Thread
from time import sleep

# AWS Batch sends SIGKILL 30 s after SIGTERM, AWS Fargate after as little as 2; a promise is 5.
GRACE_S = 3.0


class StopSignal:
    """Waits for SIGTERM on a thread of its own, since Python's handlers wait until C code returns to Python.

    Made before any other thread, which then inherits that the signal is not for them.

    Parameters
    ----------
    exit_code   of the process if it has not ended by itself within ``grace_s`` seconds of the signal
    leave       ends the process at once
    """

    def __init__(self, *, exit_code: int, grace_s: float = GRACE_S, leave: Callable[[int], object] = os._exit) -> None:
        self._exit_code = exit_code
        self._grace_s = grace_s
        self._leave = leave
        self._stopped = Event()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        Thread(target=self._wait, name="sigterm", daemon=True).start()

    def is_set(self) -> bool:
        """Return whether the signal has come."""
        return self._stopped.is_set()

    def _wait(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self._stopped.set()
        # The main thread saves what it has; where it is deep in a model's compilation, there is nothing to save.
        sleep(self._grace_s)
        self._leave(self._exit_code)
