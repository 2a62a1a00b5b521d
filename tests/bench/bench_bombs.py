"""What small requests that would grow cost until they are refused: seconds of the processor, and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FAULTS = Path(__file__).parents[1] / "faults"
FOLDERS = (FAULTS, FAULTS.parent)
sys.path[:0] = map(str, FOLDERS)

from bombs import BOMBS  # noqa: E402


def main() -> None:
    """Throw each bomb in a process of its own, the dearest first."""
    done = subprocess.run(
        [sys.executable, str(FAULTS / "bomb_program.py"), "seconds", *BOMBS],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, FOLDERS))},
    )
    print(f"{'bomb':36} {'status':>6} {'processor':>10} {'memory':>9}")
    for each in sorted(map(json.loads, done.stdout.splitlines()), key=lambda found: -found["seconds"]):
        grown = f"{each['grown_bytes'] / 1_000_000:.0f} MB"
        print(f"{each['name']:36} {each['status']:>6} {each['seconds']:>8.2f} s {grown:>9}")


if __name__ == "__main__":
    main()
