"""Which stack a command means: said by an option, by a variable, or the local one; never guessed."""

import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lambent_toolkit.cli.main import app
from lambent_toolkit.sandbox.errors import StackNotRunning
from lambent_toolkit.sandbox.stack_info import StackInfo
from lambent_toolkit.stacks import Door, StackChoice, find, find_door, find_stack, find_stack_if_said
from lambent_toolkit.stacks.errors import StackAmbiguous, StackUnknown, StackUnusable

BOTH = {"LAMBENT_URL": "https://api.example/prod/", "LAMBENT_API_KEY": "k"}
NAMED = {"LAMBENT_STACK": "shop"}


class Deployed:
    """Stands for a deployed stack, and remembers how it was looked for."""

    url, api_key = "https://deployed/dev", "its key"

    def __init__(self, name: str, **looked_for: Any) -> None:
        self.name, self.looked_for = name, looked_for


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(find, "describe_deployed", Deployed)


def run_stack(state: Path = Path(".lambent")) -> StackInfo:
    """Let a local stack run: its supervisor is this process."""
    words = dict.fromkeys(("name", "url", "api_key", "api_key_id", "endpoint", "region", "table", "topic", "logs"), "x")
    maps: dict[str, Any] = {key: {} for key in ("buckets", "queues", "functions", "resources")}
    words["url"] = "http://127.0.0.1:8080/dev"
    info = StackInfo(retry_scale=1.0, pid=os.getpid(), **words, **maps)
    state.mkdir()
    info.write(state)
    return info


def test_a_named_stack_is_looked_for_where_it_was_said_to_be() -> None:
    choice = StackChoice(name="shop", region="eu-west-1", profile="work")

    found = find_stack(choice, environ={})

    assert (found.name, found.looked_for) == (
        "shop",
        {"region": "eu-west-1", "profile": "work", "environ": {}},
    )


def test_an_option_wins_over_the_variable_and_over_a_running_stack() -> None:
    run_stack()

    assert find_stack(StackChoice(name="other"), environ=NAMED).name == "other"


def test_the_variable_names_a_stack_where_no_local_one_runs() -> None:
    assert find_stack(environ=NAMED).name == "shop"


def test_the_local_stack_is_meant_where_nothing_names_another() -> None:
    info = run_stack()

    assert find_stack(environ={}) == info


def test_a_state_folder_wins_over_the_variable(tmp_path: Path) -> None:
    info = run_stack(tmp_path / "mine")

    assert find_stack(StackChoice(state=tmp_path / "mine"), environ=NAMED) == info


def test_neither_is_guessed_where_both_could_be_meant() -> None:
    run_stack()

    with pytest.raises(StackAmbiguous, match=r"--stack shop or --state \.lambent"):
        find_stack(environ=NAMED)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (StackChoice(state=Path("s"), name="shop"), "say one of them"),
        (StackChoice(state=Path("s"), region="eu-west-1"), "for a deployed stack"),
        (StackChoice(region="eu-west-1"), "say which one, --stack"),
        (StackChoice(profile="work"), "say which one, --stack"),
    ],
)
def test_options_that_contradict_each_other_are_refused(choice: StackChoice, said: str) -> None:
    with pytest.raises(StackAmbiguous, match=said):
        find_stack(choice, environ={})


def test_without_any_stack_both_ways_to_one_are_told() -> None:
    with pytest.raises(StackNotRunning, match=r"lambent up.*--stack NAME, or LAMBENT_STACK"):
        find_stack(environ={})


def test_what_can_do_without_a_stack_takes_none_that_was_not_named() -> None:
    run_stack()

    assert find_stack_if_said(StackChoice(), environ={}) is None
    assert find_stack_if_said(StackChoice(name="shop"), environ={}).name == "shop"
    with pytest.raises(StackAmbiguous):
        find_stack_if_said(StackChoice(), environ=NAMED)


def test_a_door_is_named_by_two_variables_or_by_none() -> None:
    assert find_door(environ=BOTH) == Door("https://api.example/prod", "k")
    for alone in BOTH.items():
        with pytest.raises(StackAmbiguous, match="needs both"):
            find_door(environ=dict([alone]))


def test_a_stack_that_is_named_has_a_door_of_its_own() -> None:
    for choice, environ in ((StackChoice(name="shop"), BOTH), (StackChoice(), NAMED)):
        assert find_door(choice, environ=environ) == Door("https://deployed/dev", "its key")


def test_a_door_and_another_running_stack_are_not_guessed_between() -> None:
    info = run_stack()

    with pytest.raises(StackAmbiguous, match="unset LAMBENT_URL"):
        find_door(environ=BOTH)
    assert find_door(environ={"LAMBENT_URL": info.url, "LAMBENT_API_KEY": "k2"}) == Door(info.url, "k2")


def test_a_command_that_cannot_tell_asks_to_be_told_in_one_line() -> None:
    run_stack()

    done = CliRunner().invoke(app, ["models"], env=NAMED)

    assert (done.exit_code, done.stdout) == (120, "")
    assert "--stack shop or --state .lambent" in done.stderr


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_no_stack(name: str) -> None:
    with pytest.raises(StackUnknown, match="no name"):
        find_stack(StackChoice(name=name), environ={})


def test_a_variable_of_blanks_names_nothing() -> None:
    info = run_stack()

    assert find_stack(environ={"LAMBENT_STACK": " "}).name == info.name


@pytest.mark.parametrize(
    "url", ["foo", "ftp://a/b", "http://[::1", "http://a:b", "https://", "https://a b", "http://a\n"]
)
def test_what_is_no_address_is_told_before_it_is_asked(url: str) -> None:
    with pytest.raises(StackUnusable, match="LAMBENT_URL"):
        find_door(environ={**BOTH, "LAMBENT_URL": url})


@pytest.mark.parametrize("key", ["secret\n", " secret", "secrét", "se\x00cret"])
def test_a_key_that_no_request_can_carry_is_told_and_not_shown(key: str) -> None:
    with pytest.raises(StackUnusable, match="LAMBENT_API_KEY") as caught:
        find_door(environ={**BOTH, "LAMBENT_API_KEY": key})

    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', ""])
def test_a_state_file_that_cannot_be_read_is_no_running_stack(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)

    with pytest.raises(StackNotRunning, match=r"stack\.json"):
        find_stack(StackChoice(state=tmp_path), environ={})


def test_a_file_is_no_state_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StackNotRunning, match="no local stack runs"):
        find_stack(StackChoice(state=tmp_path / "file"), environ={})
