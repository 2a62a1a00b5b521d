"""Every verb that speaks to a stack can be told which one, in the same words."""

from pathlib import Path

import pytest
from typer.main import get_command

from lambent_toolkit.cli.main import app

TOOLKIT = Path(__file__).parents[2] / "layers/toolkit/lambent_toolkit"
OPTIONS = {"--stack", "--region", "--profile", "--state"}
# What never speaks to a stack that runs, and what makes, ends or wraps a local one.
WITHOUT = {
    *("contract check", "contract init", "import", "quantize", "sensitivity", "key new", "key show", "costs"),
    *("data list", "data show", "demo", "up", "down", "sam-local check", "sam-local invoke", "sam-local start-api"),
    "sam-local verify",
}
# What makes a deployed stack: it takes the same words, and a local one cannot be meant.
DEPLOYED_ONLY = {"deploy"}
# The only places that may read stack.json: what finds a stack, and what runs a local one.
READERS = {"stacks", "sandbox"}


def commands(group: object, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        path = f"{prefix}{name}"
        found |= commands(command, f"{path} ") if hasattr(command, "commands") else {path: command}
    return found


VERBS = commands(get_command(app))


@pytest.mark.parametrize("verb", sorted(set(VERBS) - WITHOUT - DEPLOYED_ONLY))
def test_a_verb_that_speaks_to_a_stack_takes_all_four_options(verb: str) -> None:
    taken = {option for parameter in VERBS[verb].params for option in parameter.opts}  # type: ignore[attr-defined]

    assert taken >= OPTIONS


def test_verbs_without_a_stack_exist_and_take_no_deployed_one() -> None:
    assert set(VERBS) >= WITHOUT
    for verb in WITHOUT:
        taken = {option for parameter in VERBS[verb].params for option in parameter.opts}  # type: ignore[attr-defined]
        assert "--stack" not in taken, verb


@pytest.mark.parametrize("verb", sorted(DEPLOYED_ONLY))
def test_a_verb_that_makes_deployed_stacks_takes_all_but_the_local_ones_option(verb: str) -> None:
    taken = {option for parameter in VERBS[verb].params for option in parameter.opts}  # type: ignore[attr-defined]

    assert taken & OPTIONS == OPTIONS - {"--state"}


def test_nothing_else_looks_for_a_stack_by_itself() -> None:
    by_themselves = [
        str(path.relative_to(TOOLKIT))
        for path in TOOLKIT.rglob("*.py")
        if "StackInfo.load(" in path.read_text() and path.relative_to(TOOLKIT).parts[0] not in READERS
    ]

    # `sam-local` wraps a local stack, and can mean no other.
    assert by_themselves == ["cli/sam_local.py"]
