"""Which Python `make setup` takes: one of both that functions can be deployed with, and one that runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _dry_setup(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what `make setup` would do where the PATH holds the programs of this folder and of the system."""
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}
    command = ["make", "--dry-run", "--always-make", "--directory", str(ROOT), "setup", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("runs", "fails", "taken"),
    [
        (["python3.11", "python3.12"], [], "python3.12"),
        (["python3.11"], ["python3.12"], "python3.11"),
        (["python3.12"], ["python3.11"], "python3.12"),
    ],
    ids=["both", "3.12 is a shim that fails", "3.11 is a shim that fails"],
)
def test_the_first_python_that_runs_is_taken(tmp_path: Path, runs: list[str], fails: list[str], taken: str) -> None:
    for name in runs:
        _program(tmp_path / name, "exit 0")
    for name in fails:
        _program(tmp_path / name, "echo 'pyenv: command not found' >&2; exit 127")

    done = _dry_setup(tmp_path)

    assert f"\n{taken} -m venv .venv\n" in done.stdout


@pytest.mark.parametrize("python", ["", "nothing-here", "old"])
def test_without_a_python_that_fits_setup_says_which_it_needs(tmp_path: Path, python: str) -> None:
    pretend = "import sys; sys.version_info = (3, 10, 1); exec(sys.argv[2])"
    _program(tmp_path / "old", f"exec '{sys.executable}' -c '{pretend}' \"$@\"")
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    # In a folder of its own, so that nothing is set up over what runs this test.
    for name in ("Makefile", "requirements-dev.txt", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())

    done = subprocess.run(
        ["make", "setup", f"PYTHON={python}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "Lambent needs one of python3.12 python3.11 on the PATH" in done.stderr
    assert f"found: {python or 'none'}" in done.stderr
    assert not (tmp_path / ".venv").exists()
