"""The doors, open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from plane import Plane, open_plane


@pytest.fixture(scope="module")
def plane() -> Iterator[Plane]:
    """Return the doors, open for all tests of a module."""
    with open_plane() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _clean_environment() -> None:
    """Leave the environment alone: the functions' settings are in it for as long as the doors are open."""
