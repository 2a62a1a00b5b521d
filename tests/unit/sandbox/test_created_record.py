"""The record of what the storage created is told as it is: text for what moto wraps, and no guess for anything else."""

from __future__ import annotations

import json

import pytest
from moto.core.types import Base64EncodedString

from lambent_toolkit.sandbox.storage_cloudformation import CreatedResources


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
