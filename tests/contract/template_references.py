"""Reading references between resources of a CloudFormation template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Findings = Iterator[str]


def target(reference: Any) -> str:
    """Return the logical id that a Ref, GetAtt or Sub names first."""
    if isinstance(reference, dict) and "Ref" in reference:
        return str(reference["Ref"])
    if isinstance(reference, dict) and "Fn::GetAtt" in reference:
        got = reference["Fn::GetAtt"]
        return str(got[0] if isinstance(got, list) else got.split(".")[0])
    if isinstance(reference, dict) and "Fn::Sub" in reference:
        text = reference["Fn::Sub"][0] if isinstance(reference["Fn::Sub"], list) else reference["Fn::Sub"]
        return str(text).partition("${")[2].partition("}")[0].split(".")[0]
    return str(reference)


def as_list(value: Any) -> list[Any]:
    """IAM takes one or many everywhere."""
    return value if isinstance(value, list) else [value]
