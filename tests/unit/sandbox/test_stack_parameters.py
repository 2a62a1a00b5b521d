"""Parameters and Rules are judged as CloudFormation does, before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambent_toolkit.sandbox.sources import read_template
from lambent_toolkit.sandbox.stack_parameters import TemplateRefused, check_rules, complete_parameters
from lambent_toolkit.sandbox.stack_template import (
    CapabilityMissing,
    StackTemplate,
    TransformFailed,
    check_capabilities,
)

TEMPLATE = read_template(Path(__file__).parents[3] / "template.yaml")
DECLARED = TEMPLATE["Parameters"]
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/lambent-worker:1"
BUCKET = "Resources: {Bucket: {Type: 'AWS::S3::Bucket'}}"


def test_parameters_have_their_defaults() -> None:
    values = complete_parameters(DECLARED, {"Stage": "prod"})

    assert set(values) == set(DECLARED)
    assert (values["Stage"], values["LogLevel"], values["AlarmEmail"]) == ("prod", "INFO", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Stge": "dev"}, r"Parameters: \[Stge\] do not exist in the template"),
        ({"Stage": "live"}, "Parameter 'Stage' must be one of AllowedValues"),
        ({"DefaultTenant": "No Tenant"}, "Parameter DefaultTenant failed to satisfy constraint: must match pattern"),
        ({"PredictMemory": "512"}, "Parameter 'PredictMemory' must be a number not less than 1024"),
        ({"PredictMemory": "99999"}, "Parameter 'PredictMemory' must be a number not greater than 10240"),
        ({"PredictMemory": "much"}, "Parameter 'PredictMemory' must be a number"),
        ({"LogRetentionDays": "31"}, "Parameter 'LogRetentionDays' must be one of AllowedValues"),
    ],
)
def test_value_that_breaks_its_declaration_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(TemplateRefused, match=said):
        complete_parameters(DECLARED, given)


def test_parameter_without_value_and_default_is_refused() -> None:
    with pytest.raises(TemplateRefused, match=r"Parameters: \[Name\] must have values"):
        complete_parameters({"Name": {"Type": "String"}}, {})


@pytest.mark.parametrize(("text", "said"), [("ab", "at least 3"), ("abcdef", "at most 5")])
def test_length_is_limited(text: str, said: str) -> None:
    with pytest.raises(TemplateRefused, match=said):
        complete_parameters({"Name": {"Type": "String", "MinLength": 3, "MaxLength": 5}}, {"Name": text})


def test_each_member_of_a_list_is_judged() -> None:
    declared = {"Zones": {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b"]}}

    assert complete_parameters(declared, {"Zones": "a,b"}) == {"Zones": "a,b"}
    with pytest.raises(TemplateRefused, match="Parameter 'Zones' must be one of AllowedValues"):
        complete_parameters(declared, {"Zones": "a,c"})


@pytest.mark.parametrize("given", [{}, {"GpuEnabled": "true", "WorkerImageUri": IMAGE}])
def test_rules_let_pass_what_can_run(given: dict[str, str]) -> None:
    check_rules(TEMPLATE, complete_parameters(DECLARED, given))


@pytest.mark.parametrize(
    ("given", "rule"),
    [({"GpuEnabled": "true"}, "GpuNeedsWorkerImage: GpuEnabled=true needs WorkerImageUri")],
)
def test_rules_refuse_what_cannot_run(given: dict[str, str], rule: str) -> None:
    with pytest.raises(TemplateRefused, match=rule):
        check_rules(TEMPLATE, complete_parameters(DECLARED, given))


def holds(expression: Any, values: dict[str, str] | None = None, kind: str = "String") -> bool:
    template = {
        "Parameters": {"P": {"Type": kind}},
        "Mappings": {"Map": {"first": {"second": "yes"}}},
        "Rules": {"Rule": {"Assertions": [{"Assert": expression}]}},
    }
    try:
        check_rules(template, values or {"P": "x"})
    except TemplateRefused as exc:
        assert "its assertion failed" in str(exc), exc  # noqa: PT017 - anything else is an error
        return False
    return True


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"Fn::Equals": [{"Ref": "P"}, "x"]}, True),
        ({"Fn::Equals": [{"Ref": "P"}, "y"]}, False),
        ({"Fn::Equals": [True, "true"]}, True),
        ({"Fn::Not": [{"Fn::Equals": [{"Ref": "P"}, "x"]}]}, False),
        ({"Fn::And": [{"Fn::Equals": ["a", "a"]}, {"Fn::Equals": ["a", "b"]}]}, False),
        ({"Fn::Or": [{"Fn::Equals": ["a", "a"]}, {"Fn::Equals": ["a", "b"]}]}, True),
        ({"Fn::Contains": [["x", "y"], {"Ref": "P"}]}, True),
        ({"Fn::Contains": [["y"], {"Ref": "P"}]}, False),
        ({"Fn::Equals": [{"Fn::FindInMap": ["Map", "first", "second"]}, "yes"]}, True),
        ({"Fn::Equals": [{"Fn::Join": ["-", ["a", {"Ref": "P"}]]}, "a-x"]}, True),
    ],
)
def test_rule_functions_give_what_their_reference_says(expression: Any, expected: bool) -> None:
    assert holds(expression) is expected


@pytest.mark.parametrize(("members", "expected"), [("x,x", True), ("x,y", False)])
def test_rule_functions_look_at_each_member_of_a_list(members: str, expected: bool) -> None:
    every = {"Fn::EachMemberEquals": [{"Ref": "P"}, "x"]}
    within = {"Fn::EachMemberIn": [{"Ref": "P"}, ["x", "z"]]}

    assert holds(every, {"P": members}, "CommaDelimitedList") is expected
    assert holds(within, {"P": members}, "CommaDelimitedList") is expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ({"Fn::GetAtt": ["Table", "Arn"]}, "Fn::GetAtt is not a function that Rules have"),
        ({"Ref": "Table"}, "Rules may refer to parameters only, not to Table"),
        ({"Fn::FindInMap": ["Map", "first", "third"]}, "Unable to get mapping for Map::first::third"),
    ],
)
def test_rule_that_cannot_be_evaluated_is_a_template_error(expression: Any, said: str) -> None:
    with pytest.raises(TemplateRefused, match=said):
        check_rules({"Rules": {"Rule": {"Assertions": [{"Assert": expression}]}}}, {})


@pytest.mark.parametrize("text", ["Resources: {", "- a\n- b", "Outputs: {}", "Resources: {}"])
def test_text_that_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateRefused, match="Template format error"):
        StackTemplate.read(text, {}, stack_name="s")


def test_template_without_a_transform_stays_as_it_is() -> None:
    template = StackTemplate.read(BUCKET, {}, stack_name="s")

    assert not template.is_sam
    assert template.transformed() == template.source


def test_sam_template_is_transformed_and_its_source_kept() -> None:
    text = (
        "Transform: AWS::Serverless-2016-10-31\n"
        "Resources: {F: {Type: AWS::Serverless::Function, Properties: "
        "{CodeUri: s3://b/k, Handler: a.b, Runtime: python3.11}}}"
    )
    template = StackTemplate.read(text, {}, stack_name="s")

    body = template.transformed()

    assert body["Resources"]["F"]["Type"] == "AWS::Lambda::Function"
    assert body["Resources"]["F"]["Properties"]["Code"] == {"S3Bucket": "b", "S3Key": "k"}
    assert template.source["Resources"]["F"]["Type"] == "AWS::Serverless::Function"


def test_transform_that_fails_names_the_resource() -> None:
    text = "Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function}}"
    template = StackTemplate.read(text, {}, stack_name="s")

    with pytest.raises(TransformFailed, match=r"Transform AWS::Serverless-2016-10-31 failed with: .*\[F\]"):
        template.transformed()


@pytest.mark.parametrize(
    ("properties", "acknowledged", "needed"),
    [
        ({}, [], "CAPABILITY_IAM"),
        ({"RoleName": "mine"}, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM"),
    ],
)
def test_roles_must_be_acknowledged(properties: dict[str, str], acknowledged: list[str], needed: str) -> None:
    body = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}}

    with pytest.raises(CapabilityMissing, match=rf"Requires capabilities : \[{needed}\]"):
        check_capabilities(body, acknowledged)
    check_capabilities(body, [needed])


def test_template_without_roles_needs_no_capability() -> None:
    check_capabilities({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}, [])
