"""`lambent data`: what is shown, and failures that say what to do and have an exit code of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from lambent_toolkit.cli import data
from made_data import colours, write_digits, write_lines, write_wines

HEAVY = ("tensorflow", "keras", "numpy", "sklearn", "boto3", "lambent", "PIL", "msgspec")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    data.register(app)

    def run(*arguments: str) -> Result:
        # With one group only, typer would make it the command itself.
        app.command("other")(lambda: None)
        return CliRunner().invoke(app, ["data", *arguments])

    return run


def test_added_data_is_shown_with_its_parts_findings_and_next_step(call, tmp_path: Path) -> None:
    write_digits(tmp_path / "digits", classes="01", each=12)

    done = call("add", "digits", "digits")

    assert done.exit_code == 0, done.output
    assert "digits@1: 24 pictures of 2 classes: train 15, validation 4, test 5 (stratified, seed 7)" in done.stdout
    assert "Fewer than 20 training items: 0, 1." in done.stdout
    assert "Report: .lambent/data/digits/1/report.html" in done.stdout
    assert 'In a recipe: return DataSet.open("digits")' in done.stdout
    assert (tmp_path / ".lambent/data/digits/1/report.html").is_file()


def test_same_data_again_says_so(call, tmp_path: Path) -> None:
    write_lines(tmp_path / "c.jsonl", colours())
    call("add", "colours", "c.jsonl")

    done = call("add", "colours", "c.jsonl")

    assert done.exit_code == 0
    assert "colours@1 is the same already; nothing was added." in done.stdout


def test_list_and_show_tell_what_add_told(call, tmp_path: Path) -> None:
    write_wines(tmp_path / "wine.csv")
    added = call("add", "wine", "wine.csv", "--slice", "hue", "--seed", "3")
    call("add", "alcohol", "wine.csv", "--target", "alcohol", "--leave-out", "label")

    listed, shown, number = call("list"), call("show", "wine@1"), call("show", "alcohol")

    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["alcohol@1", "wine@1"]
    assert "wine@1: 178 rows of 3 classes" in shown.stdout
    assert shown.stdout in added.stdout
    assert "178 rows with a number each" in number.stdout
    assert "target by part" in number.stdout


def test_empty_store_says_how_to_begin(call) -> None:
    assert "No data sets in .lambent/data. Add one: lambent data add NAME SOURCE" in call("list").stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["add", "x", "nowhere"], 80, "There is no file or folder nowhere"),
        (["add", "x", "bad"], 81, "0/[b]notes.txt: The content looks like text"),
        (["show", "x"], 82, "There is no data set 'x' in .lambent/data; there are: none"),
        (["add", "x y", "good"], 82, "cannot be called 'x y'"),
        (["add", "x", "one"], 73, "are of one class (0): a classifier needs two at least"),
        (["add", "x", "good", "--test-share", "0.9"], 72, "all three parts need items"),
        (["add", "x", "good", "--label", "kind"], 80, "--label is for tables"),
        (["add", "x", "s3://b/p", "--state", "nowhere"], 8, "no local stack runs in nowhere"),
    ],
)
def test_failures_have_their_message_and_exit_code_and_add_nothing(
    call, tmp_path: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    write_digits(tmp_path / "good")
    write_digits(tmp_path / "one", classes="0")
    write_digits(tmp_path / "bad")
    # As markup, this would be a tag.
    (tmp_path / "bad/0/[b]notes.txt").write_text("these are noughts")

    done = call(*arguments)

    assert (done.exit_code, done.stdout.count("@1")) == (exit_code, 0)
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert not (tmp_path / ".lambent/data").exists()


def test_commands_import_nothing_heavy_before_they_run() -> None:
    program = f"import sys, lambent_toolkit.cli.data; print([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
