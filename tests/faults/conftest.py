"""The doors, open, and a store that several processes see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from killing import Killing, killing
from plane import Plane, open_plane
from stored_world import open_world, publish_shade, stored

from builders import World


@pytest.fixture(scope="module")
def plane() -> Iterator[Plane]:
    """Return the doors, open for all tests of a module."""
    with open_plane() as opened:
        yield opened


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Run a store with a model for all tests of a module; return the environment that names it."""
    with stored() as names:
        publish_shade(open_world())
        yield names


@pytest.fixture
def world(environment: dict[str, str]) -> World:
    """Return this process's services on the module's store."""
    return open_world()


@pytest.fixture(scope="module")
def processes(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    """Return what runs shards and submissions in processes that die where they are told to."""
    with killing(environment, tmp_path_factory.mktemp("killed")) as started:
        yield started


@pytest.fixture(autouse=True)
def _clean_environment() -> None:
    """Leave the environment alone: the functions' settings are in it for as long as the doors are open."""
