"""template.yaml as CloudFormation sees it after AWS's own SAM transform, for given parameters."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samcli.lib.intrinsic_resolver.intrinsic_property_resolver import IntrinsicResolver
from samcli.lib.intrinsic_resolver.intrinsics_symbol_table import IntrinsicsSymbolTable
from samcli.yamlhelper import yaml_parse
from samtranslator.intrinsics.resolver import IntrinsicsResolver
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
WITH_GPU = {"GpuEnabled": "true", "WorkerImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/lambent-worker:1"}
WITHOUT_GPU = {"GpuEnabled": "false"}
_CODE_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True)
class ExpandedTemplate:
    """CloudFormation of one choice of parameters.

    Parameters
    ----------
    resources : dict      logical id -> resource; those whose condition is false are left out, as are false branches
    outputs : dict        likewise
    parameters : dict     every parameter's value
    declared : dict       every parameter as the template declares it
    rules : dict          what CloudFormation asks of parameters together, as the template says it
    """

    resources: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    parameters: dict[str, Any]
    declared: dict[str, dict[str, Any]]
    rules: dict[str, dict[str, Any]]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return logical id -> properties of all resources of a CloudFormation type."""
        return {
            name: each.get("Properties", {}) for name, each in self.resources.items() if each["Type"] == f"AWS::{kind}"
        }


def read_source() -> dict[str, Any]:
    """Return template.yaml parsed, with intrinsic functions in their long form."""
    return copy.deepcopy(_parsed())


@cache
def _parsed() -> dict[str, Any]:
    return dict(yaml_parse((ROOT / "template.yaml").read_text()))


def expand(source: dict[str, Any], overrides: dict[str, str]) -> ExpandedTemplate:
    """Run the SAM transform, put in parameter values and decide conditions; references to resources stay."""
    source = _with_uploaded_code(source)
    values = {name: each["Default"] for name, each in source["Parameters"].items() if "Default" in each} | overrides
    translator = Translator({}, Parser(), boto_session=boto3.session.Session(region_name=REGION))
    body = translator.translate(source, dict(values))
    body = IntrinsicsResolver(values).resolve_parameter_refs(body)
    conditions = _decide(body, values)
    body["Resources"] = _looked_up(body["Resources"], body.get("Mappings", {}))
    return ExpandedTemplate(
        resources=_fold(_kept(body["Resources"], conditions), conditions),
        outputs=_fold(_kept(body["Outputs"], conditions), conditions),
        parameters=values,
        declared=source["Parameters"],
        rules=source["Rules"],
    )


def refusals(template: ExpandedTemplate, choice: dict[str, str]) -> list[str]:
    """Return why CloudFormation's rules would refuse parameters: the description of each assertion that fails."""
    values = template.parameters | choice
    symbols = IntrinsicsSymbolTable({"Parameters": template.declared, "Resources": {}}, values)
    resolver = IntrinsicResolver(template={"Resources": {}}, symbol_resolver=symbols)

    def is_true(node: Any) -> bool:
        return bool(resolver.intrinsic_property_resolver(node, False))

    return [
        assertion["AssertDescription"]
        for rule in template.rules.values()
        if is_true(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not is_true(assertion["Assert"])
    ]


def _with_uploaded_code(source: dict[str, Any]) -> dict[str, Any]:
    """Point code at S3, as `sam package` does; the transform takes nothing else."""
    source = copy.deepcopy(source)
    for resource in source["Resources"].values():
        if resource["Type"] in _CODE_PROPERTIES:
            resource["Properties"][_CODE_PROPERTIES[resource["Type"]]] = "s3://artifacts/code.zip"
    return source


def _decide(body: dict[str, Any], values: dict[str, Any]) -> dict[str, bool]:
    resolver = IntrinsicResolver(template=body, symbol_resolver=IntrinsicsSymbolTable(body, values))
    return {name: bool(resolver.intrinsic_property_resolver(each, False)) for name, each in body["Conditions"].items()}


def _kept(section: dict[str, Any], conditions: dict[str, bool]) -> dict[str, Any]:
    return {name: each for name, each in section.items() if conditions.get(each.get("Condition"), True)}


def _looked_up(node: Any, mappings: dict[str, Any]) -> Any:
    """Put in what a mapping says, where its keys are known."""
    if isinstance(node, dict) and "Fn::FindInMap" in node:
        name, first, second = node["Fn::FindInMap"]
        return mappings[name][first][second]
    if isinstance(node, dict):
        return {key: _looked_up(value, mappings) for key, value in node.items()}
    return [_looked_up(each, mappings) for each in node] if isinstance(node, list) else node


def _fold(node: Any, conditions: dict[str, bool]) -> Any:
    if isinstance(node, dict) and "Fn::If" in node:
        name, if_true, if_false = node["Fn::If"]
        return _fold(if_true if conditions[name] else if_false, conditions)
    if isinstance(node, dict):
        folded = {key: _fold(value, conditions) for key, value in node.items()}
        return {key: value for key, value in folded.items() if value != _NO_VALUE}
    if isinstance(node, list):
        return [each for each in (_fold(value, conditions) for value in node) if each != _NO_VALUE]
    return node
