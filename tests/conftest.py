"""What every test gets: an environment without the developer's AWS settings."""

import os

import pytest
from hypothesis import settings

_FOREIGN = ("AWS_", "POWERTOOLS_", "LAMBENT_", "KERAS_")


# No timed asserts: examples take as long as the machine needs. A failure prints the blob that replays it.
settings.register_profile("lambent", deadline=None, print_blob=True)
settings.load_profile("lambent")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(_FOREIGN) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
