"""Names that are bytes and no text end a command before it has begun, in words."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambent_toolkit.cli.main import app

ODD = b"caf\xe9"


def verbs() -> list[str]:
    return [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]


@pytest.mark.parametrize("verb", verbs())
def test_no_verb_begins_with_a_name_that_is_no_text(verb: str) -> None:
    ended = CliRunner().invoke(app, [verb, os.fsdecode(ODD)])

    assert ended.exit_code == 2
    assert r"caf\udce9' is not UTF-8: rename the file" in " ".join(ended.output.replace("│", " ").split())


def test_no_verb_begins_in_a_folder_whose_name_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/" + ODD))
    folder.mkdir()
    monkeypatch.chdir(folder)

    ended = CliRunner().invoke(app, ["train", "wine"])

    assert (ended.exit_code, "is not UTF-8" in " ".join(ended.output.split())) == (2, True), ended.output
