"""A job's log has a line for each step and each epoch, and none for shares of one."""

import pytest

from lambent_toolkit.remote.log_watcher import LogWatcher


def test_whole_parts_are_lines_and_shares_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    watcher = LogWatcher()
    watcher.begin("train digits", total=3)
    for done, note in ((0.5, "loss 2"), (1, "loss 1.5"), (1, "loss 1.5"), (1.5, "loss 1.2"), (2, "loss 1")):
        watcher.show(done, note)
    watcher.begin("evaluate", total=1)
    watcher.advance()
    watcher.tell("done")

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0:3] for line in lines] == [
        ["train", "digits", "1/3"],
        ["train", "digits", "2/3"],
        ["evaluate", "1/1", "0.0"],
        ["done"],
    ]
    assert lines[1].endswith("s  loss 1")
