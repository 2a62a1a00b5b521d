"""What every test gets: an environment without the developer's AWS settings."""

import os

import pytest

_FOREIGN = ("AWS_", "POWERTOOLS_", "LAMBENT_", "KERAS_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(_FOREIGN) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
