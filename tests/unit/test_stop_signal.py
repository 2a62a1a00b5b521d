"""SIGTERM in a process of its own: the main thread is told, and the process ends whatever that thread does."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys, time
from lambent.runtime.stop_signal import StopSignal
stop = StopSignal(exit_code=75, grace_s=float(sys.argv[1]))
print("ready", flush=True)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    if stop.is_set() and sys.argv[2] == "polite":
        sys.exit(7)
    time.sleep(0.01)
"""


@pytest.mark.parametrize(("grace_s", "manner", "code"), [("60", "polite", 7), ("0.1", "deaf", 75)])
def test_a_process_ends_by_itself_or_is_ended_when_its_grace_is_over(grace_s: str, manner: str, code: int) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, grace_s, manner], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == code
