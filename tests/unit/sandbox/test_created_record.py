"""The record of what the storage created is told as it is: text for what moto wraps, and no guess for anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.cloudformation import parsing
from moto.core.types import Base64EncodedString

from lambent_toolkit.sandbox import storage_cloudformation
from lambent_toolkit.sandbox.storage_cloudformation import CreatedResources


class Resources(dict[str, Any]):
    """What a template's references lead to, with a condition that does not hold."""

    lazy_condition_map = {"IsOn": False}  # noqa: RUF012 - as moto's


def record(value: object) -> CreatedResources:
    made = CreatedResources()
    made.resolved("stack", "Hosts", "AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {"UserData": value}})
    made.created("stack", "Hosts", "lt-1")
    return made


def test_user_data_of_a_launch_template_is_told_as_its_text() -> None:
    told = json.loads(record(Base64EncodedString("aGk=")).as_json())

    assert told["resources"]["Hosts"]["properties"] == {"LaunchTemplateData": {"UserData": "aGk="}}
    assert told["resources"]["Hosts"]["physical_id"] == "lt-1"


def test_what_is_no_json_is_not_guessed_at() -> None:
    with pytest.raises(TypeError, match="object in a resource's properties"):
        record(object()).as_json()


def test_nothing_is_left_where_a_condition_takes_an_element_out_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "clean_json", parsing.clean_json)
    storage_cloudformation._leave_nothing_in_lists()
    nothing = {"Fn::If": ["IsOn", {"Sid": "Extra"}, {"Ref": "AWS::NoValue"}]}
    resources = Resources({"AWS::NoValue": None})

    cleaned = parsing.clean_json({"Statement": [{"Sid": "First"}, nothing]}, resources)  # type: ignore[arg-type]

    assert cleaned == {"Statement": [{"Sid": "First"}]}
