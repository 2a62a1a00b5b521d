"""Progress is one line a step where there is no terminal."""

from io import StringIO

import pytest
from rich.console import Console

from lambent_toolkit.cli.watch import ConsoleWatcher


@pytest.fixture
def log() -> StringIO:
    return StringIO()


@pytest.fixture
def console(log: StringIO) -> Console:
    return Console(file=log, width=100, force_terminal=False)


def test_each_finished_step_is_one_line_with_its_last_note(console: Console, log: StringIO) -> None:
    with ConsoleWatcher(console) as watcher:
        watcher.begin("load", total=1)
        watcher.advance()
        watcher.begin("train", total=2)
        watcher.advance("loss 0.5")
        watcher.advance("loss 0.1")

    first, second = log.getvalue().splitlines()
    assert first.split()[:2] == ["load", "1/1"]
    assert second.split()[:2] == ["train", "2/2"]
    assert second.endswith("loss 0.1")


def test_step_that_fails_is_not_shown_as_done(console: Console, log: StringIO) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_in_training(console)

    assert log.getvalue() == ""


def test_terminal_gets_bars_and_notes_with_brackets_in_them(log: StringIO) -> None:
    console = Console(file=log, width=100, force_terminal=True)

    with ConsoleWatcher(console) as watcher:
        watcher.begin("train", total=2)
        watcher.show(2, "shape [1, 28]")

    assert "train" in log.getvalue()
    assert "shape [1, 28]" in log.getvalue()


def _fail_in_training(console: Console) -> None:
    with ConsoleWatcher(console) as watcher:
        watcher.begin("train", total=2)
        raise ZeroDivisionError
