"""Which builds are kept: the newest ones, and every one that a process uses."""

import os
import subprocess
import sys

import pytest

from lambent_toolkit.sandbox import build

# Holds a build and waits for its standard input to end.
_HOLDER = """
import sys
from pathlib import Path
from lambent_toolkit.sandbox import build
build._hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def builds(tmp_path):
    """Make one build more than are kept, the oldest first."""
    folders = [tmp_path / f"build-{number}" for number in range(build.KEPT_BUILDS + 1)]
    for age, folder in enumerate(folders):
        folder.mkdir()
        os.utime(folder, (age, age))
    return folders


def test_the_oldest_build_is_deleted_once_there_are_more_than_are_kept(builds):
    build._forget_old(builds[0].parent)

    assert [folder.exists() for folder in builds] == [False, True, True, True]


def test_a_build_outlives_newer_ones_while_a_process_uses_it_and_not_the_process_that_was_killed(builds):
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, builds[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        os.utime(builds[0], (0, 0))

        build._forget_old(builds[0].parent)
        is_kept_while_used = builds[0].exists()
        holder.kill()
    build._forget_old(builds[0].parent)

    assert is_kept_while_used
    assert not builds[0].exists()


def test_a_process_that_used_a_build_ends_without_a_word_of_files_left_open(builds):
    # Development mode tells of every file that nobody closed, as pytest does.
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", _HOLDER, builds[0]],
        input="", capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("held\n", "")
