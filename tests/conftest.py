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


_STACKS = ("stack", "machinery")
# What takes long comes first, so that no process is left with it when the others have ended.
_SLOW_FIRST = {"integration": 0, "faults": 1, "contract": 2}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep together what shares a stack or a module's fixtures, where several processes run the suite."""
    if not hasattr(config, "workerinput"):
        return
    places = []
    for item in items:
        stack = next((name for name in _STACKS if name in item.fixturenames), None)
        item.add_marker(pytest.mark.xdist_group(stack or item.path.stem))
        kind = item.path.relative_to(config.rootpath / "tests").parts[0]
        places.append((stack is None, _SLOW_FIRST.get(kind, len(_SLOW_FIRST))))
    items[:] = [item for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0])]
