"""What every test gets: an environment without the developer's AWS settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_FOREIGN = ("AWS_", "POWERTOOLS_", "LAMBENT_", "KERAS_")


# No timed asserts: examples, and making them, take as long as the machine needs. A failure prints the blob that replays
# it.
settings.register_profile("lambent", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("lambent")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(_FOREIGN) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run tell which rights of the template it has not used."""
    parser.addoption("--rights", action="store_true", help="list rights of the template that no stack has used")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List them, once all processes of the run have ended."""
    if not config.getoption("--rights"):
        return
    from rights import roles_of, unused_rights

    unused = unused_rights(config._tmp_path_factory.getbasetemp(), roles_of(config.rootpath / "template.yaml"))
    terminalreporter.section("rights that no stack of this run has used")
    terminalreporter.write("".join(f"{line}\n" for line in unused))


_STACKS = ("stack", "machinery")
# What takes long comes first, so that no process is left with it when the others have ended.
_SLOW_FIRST = {"models": 0, "integration": 0, "faults": 1, "contract": 2}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Keep together what shares a stack or a module's fixtures, where several processes run the suite."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_stack(item) or item.path.stem))
    # xdist reads the groups here, and pytest-randomly shuffles.
    yield
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (_stack(item) is None, _place(item.path.relative_to(config.rootpath / "tests"))))


def _stack(item: pytest.Item) -> str | None:
    return next((name for name in _STACKS if name in item.fixturenames), None)


def _place(file: Path) -> int:
    return _SLOW_FIRST.get(file.parts[0], len(_SLOW_FIRST))
