"""The running stacks that integration tests share: the product's, and one of throwaway functions for the machinery."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack_pace import RETRY_SCALE, UNHURRIED
from trained import train_for_a_moment

from lambent_toolkit.sandbox import LocalStack

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Return the product's template, running."""
    state_dir = tmp_path_factory.mktemp("stack")
    with LocalStack(state_dir, parameters=UNHURRIED, retry_scale=RETRY_SCALE) as running:
        yield running


@pytest.fixture(scope="session")
def machinery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Return a stack of functions that do what they are told: sleep, raise, exit, answer nonsense."""
    state_dir = tmp_path_factory.mktemp("machinery")
    with LocalStack(
        state_dir, root=FIXTURES / "machinery", retry_scale=1 / 60, kill_grace_s=5.0, max_environments=4
    ) as running:
        yield running


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workbench's folder after `train` and `quantize`, made by the first process that needs it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "trained.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "trained").exists():
            train_for_a_moment(shared / "trained.draft")
            (shared / "trained.draft").rename(shared / "trained")
    return shared / "trained"
