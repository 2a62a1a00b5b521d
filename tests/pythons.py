"""Pythons of this machine, beside the one that runs the tests."""

import subprocess
from functools import cache


@cache
def does_run(python: str) -> bool:
    """Tell whether a command is there and runs; one of pyenv's shims may be there and fail."""
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
