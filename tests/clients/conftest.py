"""Fixtures of all clients: one stack, and one handwritten digit as a picture and as a tensor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from door import ROOT, Door, fuzz_seed, read_door, running_stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--state", type=Path, help="state folder of a running `lambent up --demo`, to use that stack")


def pytest_report_header() -> str:
    return f"requests made up with FUZZ_SEED={fuzz_seed()}"


@pytest.fixture(scope="session")
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    state = request.config.getoption("--state")
    if state is not None:
        yield read_door(state)
        return
    with running_stack(tmp_path_factory.mktemp("stack")) as door:
        yield door


@pytest.fixture(autouse=True)
def loaded(door: Door) -> Iterator[None]:
    """Load the model again after a test, which may have unloaded it."""
    yield
    with door.http() as http:
        http.post("/v2/repository/models/digits/load").raise_for_status()


@pytest.fixture(scope="session")
def seven() -> bytes:
    """PNG of a handwritten 7."""
    return (ROOT / "events/bodies/seven.png").read_bytes()


@pytest.fixture(scope="session")
def seven_tensor() -> dict[str, object]:
    """Return the same digit as the input tensor of a protocol request: name, shape, datatype, data."""
    (tensor,) = json.loads((ROOT / "events/bodies/seven.infer.json").read_text())["inputs"]
    return tensor
