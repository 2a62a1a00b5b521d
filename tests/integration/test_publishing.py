"""From a trained folder to a label, by the commands that a person types."""

import re
import shutil
from pathlib import Path

import pytest
from trained import FOREIGN_WARNINGS, trained_folder
from typer.testing import CliRunner, Result

from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.demo_model import build_demo_model
from lambent_toolkit.modelkit.watcher import Silence
from lambent_toolkit.sandbox import LocalStack

pytestmark = [pytest.mark.timeout(300), FOREIGN_WARNINGS]


def lambent(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_evaluated_folder_is_published_and_labelled(stack: LocalStack, tmp_path: Path) -> None:
    state = Path(stack.info.logs).parent
    folder = tmp_path / "trial"
    shutil.copytree(trained_folder(), folder)

    evaluated = lambent("evaluate", folder)
    # A name of its own: other tests on this stack count the versions of digits.
    contract = folder / "contract.json"
    contract.write_text(contract.read_text().replace('"digits"', '"trial-digits"'))
    published = lambent("publish", folder, "--state", state)
    version = re.search(r"published trial-digits@(\d+)", published.output)
    assert version is not None, published.output
    labelled = lambent("label", "set", "trial-digits", "trial", version[1], "--state", state)
    listed = lambent("models", "--state", state)

    assert "held-out items" in evaluated.output
    assert f"trial-digits: trial → version {version[1]} (revision 1)" in labelled.output
    assert re.search(rf"^trial-digits +{version[1]} +trial", listed.output, re.MULTILINE)


def test_label_of_an_unpublished_version_is_refused(stack: LocalStack) -> None:
    result = lambent("label", "set", "digits", "trial", "999999", "--state", Path(stack.info.logs).parent)

    assert result.exit_code == 20
    assert "model_not_found" in result.stderr


def test_demo_model_is_made_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    steps: list[str] = []

    class Listener(Silence):
        def begin(self, what: str, *, total: int) -> None:  # noqa: ARG002 - as the protocol has it
            steps.append(what)

    made = build_demo_model(tmp_path, Listener())
    assert "train digits" in steps
    steps.clear()
    taken = build_demo_model(tmp_path, Listener())

    assert steps == []
    assert taken.files == made.files
    assert made.report.variants["int8"].accuracy > 0.95
