"""Who may do what on a deployed stack: the table of the toolkit's README, the policies and the verbs agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from template_expanded import ROOT, WITH_GPU, WITHOUT_GPU, expand, read_source
from template_references import as_list, target
from typer.main import get_command

from lambent_toolkit.cli.main import app

SOURCE = read_source()
TEMPLATE = expand(SOURCE, WITH_GPU)
POLICIES = TEMPLATE.of_type("IAM::ManagedPolicy")
SECTION = (ROOT / "layers/toolkit/lambent_toolkit/cli/README.md").read_text().partition("## Who may do what")[2]
# Policy → the cells of its row: output, verbs, what they touch.
ROWS = {
    cells[0].split(",")[0]: cells[1:]
    for cells in (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in SECTION.partition("\n## ")[0].splitlines()
        if line.startswith("| ") and "Policy" in line
    )
}
# What these start is on this machine, and its own; or they make the stack, by rights over the whole account.
LOCAL = {"up", "down", "demo", "deploy"}


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the verbs that speak to a stack."""
    for name, each in getattr(command, "commands", {}).items():
        yield from _verbs(each, (*path, name))
    names = {parameter.name for parameter in getattr(command, "params", [])}
    if names & {"state", "stack"} and not (path[0] in LOCAL or path[0] == "sam-local"):
        yield " ".join(path)


@pytest.mark.parametrize("verb", sorted(_verbs(get_command(app))))
def test_every_verb_that_speaks_to_a_stack_has_a_policy(verb: str) -> None:
    assert any(f"`{verb}`" in cells[1] for cells in ROWS.values())


def test_every_verb_of_the_table_is_one() -> None:
    named = {verb for cells in ROWS.values() for verb in re.findall(r"`([^`]+)`", cells[1])}

    assert named <= set(_verbs(get_command(app)))


def test_every_policy_has_a_row_and_its_output() -> None:
    assert ROWS.keys() == POLICIES.keys()
    for name, cells in ROWS.items():
        assert target(TEMPLATE.outputs[cells[0].strip("`")]["Value"]) == name


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_the_rows_that_a_policy_opens_are_those_of_the_table(name: str) -> None:
    opened = {
        key.replace("*", "…")
        for statement in POLICIES[name]["PolicyDocument"]["Statement"]
        for key in statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [])
    }
    told = {each for each in re.findall(r"`([^`]+)`", ROWS[name][2]) if re.fullmatch(r"[A-Z]+(#…)?", each)}
    reads_models = {"MODELS", "MODEL#…"} if name == "TrainerPolicy" else set()

    assert opened == told | reads_models


def test_a_publisher_may_write_in_transactions_with_checks() -> None:
    allowed = {
        action
        for statement in POLICIES["PublisherPolicy"]["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }

    assert {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"} <= allowed


def test_without_a_gpu_lane_nobody_trains_on_it() -> None:
    without = expand(SOURCE, WITHOUT_GPU)

    assert without.of_type("IAM::ManagedPolicy").keys() == POLICIES.keys() - {"TrainerPolicy"}
    assert "TrainerPolicyArn" not in without.outputs
