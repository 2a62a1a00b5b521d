"""A stack that is well, for tests that make it ill."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from unit.doctor.well_stack import REGION, WellStack


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> Iterator[WellStack]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with mock_aws():
        yield WellStack()
