"""A template on its way into CloudFormation: read, its parameters and rules judged, transformed.

What `sam deploy` sends is a SAM template; CloudFormation hands it to AWS's own translator, and so does this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.stack_parameters import TemplateRefused, check_rules, complete_parameters

SAM_TRANSFORM = "AWS::Serverless-2016-10-31"
NAMED_IAM = ("RoleName", "ManagedPolicyName", "InstanceProfileName", "GroupName", "UserName")
IAM_KINDS = (
    "AWS::IAM::AccessKey",
    "AWS::IAM::Group",
    "AWS::IAM::InstanceProfile",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::IAM::User",
    "AWS::IAM::UserToGroupAddition",
)


class TransformFailed(Exception):
    """The translator refuses the template; a change set of it is FAILED with this text."""


class CapabilityMissing(Exception):
    """The caller has not acknowledged what the template may do."""


@dataclass(frozen=True)
class StackTemplate:
    """A template that CloudFormation has read.

    Parameters
    ----------
    text : str           as it was sent
    source : dict        the same, parsed
    parameters : dict    every parameter -> text
    """

    text: str
    source: dict[str, Any]
    parameters: dict[str, str]

    @classmethod
    def read(cls, text: str, given: Mapping[str, str], *, stack_name: str) -> StackTemplate:
        """Read a template, and judge its parameters and rules.

        Raises
        ------
        TemplateRefused   CloudFormation would answer a ValidationError
        """
        source = _parse(text)
        if not isinstance(source.get("Resources"), dict) or not source["Resources"]:
            raise TemplateRefused("Template format error: At least one Resources member must be defined.")
        parameters = complete_parameters(source.get("Parameters") or {}, given)
        pseudo = {
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        check_rules(source, {**pseudo, **parameters})
        return cls(text, source, parameters)

    @property
    def is_sam(self) -> bool:
        """Whether the template asks for SAM's transform."""
        wanted = self.source.get("Transform", [])
        return SAM_TRANSFORM in ([wanted] if isinstance(wanted, str) else wanted)

    def transformed(self) -> dict[str, Any]:
        """Return the template without SAM's resources.

        Raises
        ------
        TransformFailed   the translator refuses it
        """
        if not self.is_sam:
            return self.source
        # Not at the top: a second, and a storage without SAM templates never needs it.
        from samtranslator.public.exceptions import InvalidDocumentException

        from lambent_toolkit.sandbox.template import transform

        try:
            # A copy: the translator writes into what it reads.
            return transform(deepcopy(self.source), self.parameters)
        except InvalidDocumentException as exc:
            causes = " ".join(cause.message for cause in exc.causes)
            raise TransformFailed(f"Transform {SAM_TRANSFORM} failed with: {exc.message} {causes}") from exc


def check_capabilities(body: Mapping[str, Any], acknowledged: list[str]) -> None:
    """Refuse IAM resources that nobody has acknowledged.

    Raises
    ------
    CapabilityMissing   the text is CloudFormation's
    """
    found = [each.get("Properties", {}) for each in body["Resources"].values() if each["Type"] in IAM_KINDS]
    if not found or "CAPABILITY_NAMED_IAM" in acknowledged:
        return
    needed = "CAPABILITY_NAMED_IAM" if any(_is_named(each) for each in found) else "CAPABILITY_IAM"
    if needed not in acknowledged:
        raise CapabilityMissing(f"Requires capabilities : [{needed}]")


def _is_named(properties: Mapping[str, Any]) -> bool:
    return any(name in properties for name in NAMED_IAM)


def _parse(text: str) -> dict[str, Any]:
    import yaml
    from samtranslator.yaml_helper import yaml_parse

    try:
        source = yaml_parse(text)
    except yaml.YAMLError as exc:
        raise TemplateRefused(f"Template format error: YAML not well-formed. {exc}") from exc
    if not isinstance(source, dict):
        raise TemplateRefused("Template format error: unsupported structure.")
    return json.loads(json.dumps(source, default=str))  # type: ignore[no-any-return]
