"""GetLogEvents of attempts' files: every line once, whole, and nothing outside of the logs."""

from pathlib import Path

import pytest

from lambent_toolkit.sandbox.batch_logs import NoSuchStream, get_log_events


def messages(answer: dict) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_every_line_is_told_once_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    log = tmp_path / "batch/one.log"
    log.write_text("first\nsec")
    asked = {"logGroupName": "g", "logStreamName": "batch/one"}

    one = get_log_events(tmp_path, asked)
    log.write_text("first\nsecond ä\n\nfourth\n")
    two = get_log_events(tmp_path, {**asked, "nextToken": one["nextForwardToken"]})
    three = get_log_events(tmp_path, {**asked, "nextToken": two["nextForwardToken"]})

    assert (messages(one), messages(two), messages(three)) == (["first"], ["second ä", "", "fourth"], [])
    assert three["nextForwardToken"] == two["nextForwardToken"]


@pytest.mark.parametrize("stream", ["batch/none", "../secret", None])
def test_what_is_no_stream_is_told(tmp_path: Path, stream: str | None) -> None:
    (tmp_path / "secret.log").write_text("hidden\n")
    (tmp_path / "logs").mkdir()

    with pytest.raises(NoSuchStream):
        get_log_events(tmp_path / "logs", {"logStreamName": stream})
