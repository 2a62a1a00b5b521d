"""The worker's first process, each time in a process of its own: what it makes of the ends of its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from patience import PATIENCE_S, wait_for

PROGRAM = """
import os, signal, sys, threading
from lambent.runtime.worker_supervisor import WorkerSupervisor

kind, folder = sys.argv[1:]
ever = threading.Event()

def child(marks, known, leave):
    tries = len(os.listdir(folder))
    open(f"{folder}/{os.getpid()}", "w").close()
    marks.open(8, known or Suspicion())
    if kind == "done":
        return 0
    if kind == "busy":
        marks.computing([1, 2])
        print("busy", os.getpid(), flush=True)
        ever.wait()
    if kind == "polite":
        from lambent.runtime.stop_signal import StopSignal
        stop = StopSignal(exit_code=75, leave=leave)
        print("busy", os.getpid(), flush=True)
        while not stop.is_set():
            ever.wait(0.01)
        return 7
    if kind == "orphans":
        if os.fork() == 0:
            os._exit(0)
        return 0
    if kind == "idle":
        os._exit(0)
    if kind == "broken":
        raise KeyError("broken")
    if kind == "once" and tries == 0:
        marks.computing([1, 2])
        os.kill(os.getpid(), signal.SIGSEGV)
    return 10 + len(known.suspects)

from lambent.domain.suspicion import Suspicion
say = lambda event, **fields: print(event, fields["how"], flush=True)
sys.exit(WorkerSupervisor(child, exit_temporary=75, stall_s=3600, say=say).run())
"""


def start(kind: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize(
    ("kind", "code", "said", "children"),
    [
        ("done", 0, "", 1),
        ("once", 12, "died died of SIGSEGV\n", 2),
        ("idle", 1, "died ended with status 0\n", 1),
        ("broken", 1, "died ended with status 1\n", 1),
        ("orphans", 0, "", 1),
    ],
)
def test_a_child_that_dies_with_items_in_hand_has_a_successor_and_any_other_end_is_the_worker_s(
    tmp_path: Path, kind: str, code: int, said: str, children: int
) -> None:
    with start(kind, tmp_path) as process:
        assert process.stdout is not None
        told = process.stdout.read()
        status = process.wait(PATIENCE_S)

    assert (status, told, len(list(tmp_path.iterdir()))) == (code, said, children)


@pytest.mark.parametrize(("kind", "code"), [("polite", 7), ("busy", 75)])
def test_a_stop_is_passed_on_and_the_child_s_own_exit_code_counts_if_it_has_one(
    tmp_path: Path, kind: str, code: int
) -> None:
    with start(kind, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("busy")
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == code
        assert len(list(tmp_path.iterdir())) == 1


def test_the_child_ends_with_its_supervisor(tmp_path: Path) -> None:
    with start("busy", tmp_path) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline().split()[1])
        process.kill()
        process.wait(PATIENCE_S)

        wait_for(lambda: not is_alive(child), what="the child's end")


def is_alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z" and os.getpid() != process
