"""Throw the bombs named on the command line at the doors, each in a forked process; print a line of JSON for each."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from http import HTTPStatus
from pathlib import Path

from bombs import BOMBS
from good_input import check_good
from plane import Plane, open_plane
from refusals import check_refusal


def throw(plane: Plane, name: str) -> dict[str, object]:
    """Return what became of a bomb, and of a good request after it."""
    bomb = BOMBS[name]
    request = bomb.make()
    check_good(plane, request.path)
    base = forget_peak()
    start_s = time.process_time()
    answer = plane.send(request)
    took_s = time.process_time() - start_s
    grown = peak_bytes() - base
    assert not plane.take_crashes()
    if not (bomb.is_harmless and answer.status == HTTPStatus.OK):
        check_refusal(answer, bomb.codes)
    check_good(plane, request.path)
    return {"name": name, "status": answer.status, "took_s": took_s, "grown_bytes": grown}


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
    with open_plane() as plane:
        for name in sys.argv[1:]:
            child = os.fork()
            if child == 0:
                print(json.dumps(throw(plane, name)), flush=True)
                os._exit(0)
            if os.waitpid(child, 0)[1] != 0:
                sys.exit(f"{name} ended its process")


if __name__ == "__main__":
    main()
