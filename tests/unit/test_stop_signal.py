"""SIGTERM in a process of its own: the main thread is told, and the process ends whatever that thread does."""

import signal
import subprocess
import sys

import pytest

from lambent.runtime import stop_signal
from lambent.runtime.stop_signal import GRACE_S, StopSignal
from patience import PATIENCE_S

PROGRAM = """
import sys, threading
from lambent.runtime.stop_signal import StopSignal
stop = StopSignal(exit_code=75, grace_s=float(sys.argv[1]))
print("ready", flush=True)
for_ever = threading.Event()
while not (stop.is_set() and sys.argv[2] == "polite"):
    for_ever.wait(0.01)
sys.exit(7)
"""


@pytest.mark.parametrize(("grace_s", "manner", "code"), [("3600", "polite", 7), ("0.1", "deaf", 75)])
def test_a_process_ends_by_itself_or_is_ended_when_its_grace_is_over(grace_s: str, manner: str, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, grace_s, manner], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == code


class Unstarted:
    """A thread that is never run."""

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        pass


def test_the_grace_leaves_room_below_the_promised_five_seconds_in_which_nothing_but_the_exit_happens() -> None:
    assert GRACE_S <= 3.0


def test_after_the_signal_comes_the_grace_and_then_the_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[str, object]] = []
    monkeypatch.setattr(stop_signal, "Thread", Unstarted)
    monkeypatch.setattr(stop_signal.signal, "pthread_sigmask", lambda *_: None)
    monkeypatch.setattr(stop_signal.signal, "sigwait", lambda awaited: steps.append(("signal", awaited)))
    monkeypatch.setattr(stop_signal, "sleep", lambda seconds: steps.append(("grace", (seconds, stop.is_set()))))
    stop = StopSignal(exit_code=75, leave=lambda code: steps.append(("exit", code)))

    stop._wait()

    assert steps == [("signal", {signal.SIGTERM}), ("grace", (GRACE_S, True)), ("exit", 75)]
