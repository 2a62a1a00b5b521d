"""The command that a stranger runs first, where there is no terminal: it ends well, and its log can be read."""

import subprocess
import sys

import pytest

from lambent_toolkit.demo.story import STEPS

LOG_COLUMNS = 100


@pytest.mark.timeout(900)
def test_demo_plays_every_step_and_writes_a_readable_log() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lambent_toolkit.cli.main", "demo"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr + done.stdout
    for number, step in enumerate(STEPS, start=1):
        assert f"{number}  {step.heading}" in done.stdout
    assert "Everything above was checked, and held" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= LOG_COLUMNS
    assert "✗" not in done.stdout + done.stderr
