"""The tables of functions/README.md and layers/README.md say what the template says."""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile
from typing import Any

import pytest
from template_expanded import ROOT, WITH_GPU, ExpandedTemplate, expand, read_source
from template_references import target

SOURCE = read_source()
TEMPLATE: ExpandedTemplate = expand(SOURCE, WITH_GPU)


def _table(path: str) -> dict[str, dict[str, str]]:
    """Return the first table of a document."""
    lines = dropwhile(lambda line: not line.startswith("|"), (ROOT / path).read_text().splitlines())
    table = takewhile(lambda line: line.startswith("|"), lines)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {row[0].strip("`"): dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


TABLE = _table("functions/README.md")


def _logical_id(folder: str) -> str:
    return "".join(part.capitalize() for part in folder.split("_")) + "Function"


def _events(folder: str) -> list[dict[str, Any]]:
    return list(SOURCE["Resources"][_logical_id(folder)]["Properties"]["Events"].values())


def _queues(folder: str) -> list[str]:
    name = _logical_id(folder)
    mappings = TEMPLATE.of_type("Lambda::EventSourceMapping").values()
    sources = [target(each["EventSourceArn"]) for each in mappings if target(each["FunctionName"]) == name]
    queues = TEMPLATE.of_type("SQS::Queue")
    dead = [target(queues[source]["RedrivePolicy"]["deadLetterTargetArn"]) for source in sources]
    own = TEMPLATE.of_type("Lambda::Function")[name].get("DeadLetterConfig")
    return sources + dead + ([target(own["TargetArn"])] if own else [])


def test_every_function_has_a_row() -> None:
    assert {_logical_id(folder) for folder in TABLE} == TEMPLATE.of_type("Lambda::Function").keys()


@pytest.mark.parametrize("folder", TABLE)
def test_size_and_layers_are_the_template_s(folder: str) -> None:
    function, row = TEMPLATE.of_type("Lambda::Function")[_logical_id(folder)], TABLE[folder]

    layers = [re.sub(r"Layer.*", "", target(layer)).lower() for layer in function["Layers"]]

    assert row["timeout"] == f"{function['Timeout']} s"
    assert row["memory"] == f"{function['MemorySize']} MiB"
    assert row["layers"] == ", ".join(layers)


@pytest.mark.parametrize("folder", TABLE)
def test_queues_are_the_template_s(folder: str) -> None:
    named = [name for name in TABLE[folder]["queue and dead-letter queue"].split(", ") if name != "none"]

    assert named == _queues(folder)


@pytest.mark.parametrize("folder", TABLE)
def test_triggers_are_the_template_s(folder: str) -> None:
    trigger = TABLE[folder]["trigger"]

    for event in _events(folder):
        properties = event["Properties"]
        if event["Type"] == "Api":
            assert f"`{properties['Path']}`" in trigger
        elif event["Type"] == "SQS":
            assert f"{properties['Queue']['Fn::GetAtt'][0]}, {properties['BatchSize']} a call" in trigger
        elif event["Type"] == "Schedule":
            assert properties["Schedule"] in trigger
        else:
            ways = [properties["Pattern"], *properties["Pattern"].get("$or", [])]
            told = {name for way in ways for name in way.get("detail-type", [])}
            assert told
            assert all(name in trigger for name in told)


@pytest.mark.parametrize("folder", TABLE)
def test_named_services_exist(folder: str) -> None:
    for service in TABLE[folder]["service called"].split(", "):
        assert (ROOT / "layers/core/lambent/services" / f"{service}.py").is_file()


def test_layers_readme_names_every_layer() -> None:
    layers = {name for name, each in SOURCE["Resources"].items() if each["Type"] == "AWS::Serverless::LayerVersion"}

    named = {row["layer"] for row in _table("layers/README.md").values() if row["layer"] != "none"}

    assert named == layers
