"""A failure's message cannot steer the reader's terminal."""

import pytest

from lambent_toolkit.cli.failures import say_failure


def test_control_and_direction_characters_of_strangers_are_shown_and_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_failure("class \u202eabc\x1b[31m [bold]\nhéllo עברית")

    told = capsys.readouterr().err
    assert "\u202e" not in told
    assert "\x1b[31m" not in told
    assert r"class \u202eabc\x1b[31m [bold]" in told
    assert "\nhéllo עברית" in told
