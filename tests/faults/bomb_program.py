"""Throw the bombs named on the command line at the doors, each in a forked process; print a line of JSON for each.

Usage: ``bomb_program.py steps|seconds BOMB…``: what an answer costs is counted in calls, or in seconds of the
processor, which the counting would make longer.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Self

from bombs import BOMBS
from good_input import check_good
from plane import Plane, open_plane
from refusals import check_refusal


class Steps:
    """Counts the calls of functions, of Python and of C.

    In this thread, in the one that works on requests, and in those that are started meanwhile.
    """

    def __init__(self, plane: Plane) -> None:
        self.cost = 0
        self._work = plane.modules["PredictFunction"].work

    def __enter__(self) -> Self:
        threading.setprofile(self._note)
        self._set_in_both(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._set_in_both(None)
        threading.setprofile(None)

    def _set_in_both(self, note: Callable[[object, str, object], None] | None) -> None:
        piece = self._work.begin(lambda: sys.setprofile(note))
        assert piece.wait(PATIENCE_S)
        sys.setprofile(note)

    def _note(self, _frame: object, event: str, _argument: object) -> None:
        self.cost += event in {"call", "c_call"}


class Seconds:
    """Measures what the processor takes."""

    cost = 0.0

    def __init__(self, _: Plane) -> None:
        """Take nothing of the doors: the processor's time is that of all threads."""

    def __enter__(self) -> Self:
        self._start_s = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cost = time.process_time() - self._start_s


PATIENCE_S = 60.0
METERS = {"steps": Steps, "seconds": Seconds}


def throw(plane: Plane, name: str, *, unit: str) -> dict[str, object]:
    """Return what became of a bomb, and of a good request after it."""
    bomb = BOMBS[name]
    request = bomb.make()
    check_good(plane, request.path)
    base = forget_peak()
    with METERS[unit](plane) as meter:
        answer = plane.send(request)
    grown = peak_bytes() - base
    assert not plane.take_crashes()
    if not (bomb.is_harmless and answer.status == HTTPStatus.OK):
        check_refusal(answer, bomb.codes)
    check_good(plane, request.path)
    return {"name": name, "status": answer.status, unit: meter.cost, "grown_bytes": grown}


def forget_peak() -> int:
    """Let the peak begin anew, as making the bomb has cost more than it may; return it (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def main() -> None:
    """Fork once a bomb, before any of them has been thrown."""
    unit, *names = sys.argv[1:]
    with open_plane() as plane:
        for name in names:
            child = os.fork()
            if child == 0:
                print(json.dumps(throw(plane, name, unit=unit)), flush=True)
                os._exit(0)
            if os.waitpid(child, 0)[1] != 0:
                sys.exit(f"{name} ended its process")


if __name__ == "__main__":
    main()
