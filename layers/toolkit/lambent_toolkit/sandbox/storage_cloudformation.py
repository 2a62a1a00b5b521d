"""What the storage process adds to moto's CloudFormation: more resource types, and a record of what was created.

The record holds every resource's properties with all intrinsic functions resolved, so that nobody has to resolve
`Ref`, `Fn::If` or `Fn::Sub` a second time. Runs in the storage process only.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from moto.awslambda import models as awslambda
from moto.batch import models as batch
from moto.cloudformation import parsing
from moto.core.types import Base64EncodedString
from moto.iam.models import iam_backends
from moto.logs import models as logs

from lambent_toolkit.sandbox.options import ACCOUNT_ID
from lambent_toolkit.sandbox.storage_resources import OWN_TYPES

BATCH_ROLE, BATCH_ROLE_PATH = "AWSServiceRoleForBatch", "/aws-service-role/batch.amazonaws.com/"
# What moto insists on and AWS does not.
NEEDED_PROPERTIES: dict[str, dict[str, Any]] = {
    "AWS::Batch::ComputeEnvironment": {"ServiceRole": f"arn:aws:iam::{ACCOUNT_ID}:role{BATCH_ROLE_PATH}{BATCH_ROLE}"},
    "AWS::Batch::JobDefinition": {"RetryStrategy": {}},
}


class CreatedResources:
    """Of each stack: logical id -> type, physical id and resolved properties, in the order of creation."""

    def __init__(self) -> None:
        self._stacks: dict[str, dict[str, dict[str, Any]]] = {}
        self._unsupported: set[str] = set()

    def resolved(self, stack_name: str, logical_id: str, kind: str, properties: dict[str, Any]) -> None:
        """Keep the properties of a resource that is about to be created or changed."""
        entry = self._stacks.setdefault(stack_name, {}).setdefault(logical_id, {})
        entry.update(type=kind, properties=deepcopy(properties))  # moto writes into what it is given

    def created(self, stack_name: str, logical_id: str, physical_id: str) -> None:
        """Keep the name that a resource got."""
        self._stacks[stack_name][logical_id]["physical_id"] = physical_id

    def removed(self, stack_name: str, logical_id: str) -> None:
        """Forget a resource."""
        self._stacks.get(stack_name, {}).pop(logical_id, None)

    def forget(self, stack_name: str) -> None:
        """Forget a stack."""
        self._stacks.pop(stack_name, None)

    def properties(self, stack_name: str, logical_id: str) -> dict[str, Any]:
        """Return what a resource was made or changed with last."""
        return dict(self._stacks[stack_name][logical_id]["properties"])

    def logical_ids(self, stack_name: str) -> list[str]:
        """Return the resources that a stack has."""
        return [name for name, each in self._stacks.get(stack_name, {}).items() if "physical_id" in each]

    def unsupported(self, kind: str) -> None:
        """Keep a type that neither moto nor this module creates."""
        self._unsupported.add(kind)

    def as_dict(self, stack_name: str = "") -> dict[str, Any]:
        """Return the record of one stack, or of all."""
        chosen = [self._stacks.get(stack_name, {})] if stack_name else list(self._stacks.values())
        resources = {name: entry for stack in chosen for name, entry in stack.items()}
        return {"resources": resources, "unsupported": sorted(self._unsupported)}

    def as_json(self, stack_name: str = "") -> str:
        """Return the record of one stack, or of all, for the supervisor."""
        return json.dumps(self.as_dict(stack_name), default=_plain)


def _plain(value: object) -> str:
    """Return what moto has put in the place of a launch template's user data as the text that it was."""
    if isinstance(value, Base64EncodedString):
        return str(value)
    raise TypeError(f"{type(value).__name__} in a resource's properties")


def tame_cloudformation() -> CreatedResources:
    """Patch moto's CloudFormation and return the record that it fills."""
    record = CreatedResources()
    _leave_nothing_in_lists()
    _record_resources(record)
    _support_more_types(record)
    _repair_job_definitions()
    iam_backends[ACCOUNT_ID]["aws"].create_role(BATCH_ROLE, "{}", BATCH_ROLE_PATH, None, "", [], "3600")
    # AWS's ends so, and policies name a group's streams by it.
    logs.LogGroup.get_cfn_attribute = lambda group, _name: f"{group.arn}:*"  # type: ignore[method-assign]
    # Without it, a function's `Layers` would hold moto's objects in place of ARNs.
    awslambda.LayerVersion.physical_resource_id = property(lambda layer: layer.arn)  # type: ignore[attr-defined]
    return record


def _leave_nothing_in_lists() -> None:
    """Take `AWS::NoValue` out of lists, as AWS does; moto takes it out of objects only, and a policy keeps a null."""
    clean = parsing.clean_json

    def clean_json(node: Any, resources_map: Any) -> Any:
        if not isinstance(node, list):
            return clean(node, resources_map)
        cleaned = [clean_json(each, resources_map) for each in node]
        return [each for each in cleaned if each is not None]

    parsing.clean_json = clean_json


def _record_resources(record: CreatedResources) -> None:
    parse, create = parsing.parse_resource_and_generate_name, parsing.parse_and_create_resource

    def parse_and_record(logical_id: str, resource_json: dict[str, Any], resources_map: Any) -> Any:
        parsed = parse(logical_id, resource_json, resources_map)
        if parsed:
            kind, resource = resource_json["Type"], parsed[1]
            resource["Properties"] = repaired(kind, resource.get("Properties", {}))
            record.resolved(resources_map["AWS::StackName"], logical_id, kind, resource["Properties"])
        return parsed

    def create_and_record(logical_id: str, resource_json: Any, resources_map: Any, *args: Any, **kwargs: Any) -> Any:
        resource = create(logical_id, resource_json, resources_map, *args, **kwargs)
        if resource is not None:
            physical_id = getattr(resource, "physical_resource_id", logical_id)
            record.created(resources_map["AWS::StackName"], logical_id, physical_id)
        return resource

    parsing.parse_resource_and_generate_name = parse_and_record
    parsing.parse_and_create_resource = create_and_record


def repaired(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Add what moto insists on, and make a function's variables text, which moto leaves as numbers."""
    if kind == "AWS::Lambda::Function":
        variables = properties.get("Environment", {}).get("Variables", {})
        variables.update({key: str(value) for key, value in variables.items()})
    return {**NEEDED_PROPERTIES.get(kind, {}), **properties}


def _support_more_types(record: CreatedResources) -> None:
    find = parsing.resource_class_from_type

    def find_or_own(kind: str) -> Any:
        if kind in OWN_TYPES:
            return OWN_TYPES[kind]
        found = find(kind)
        if found is None and kind not in parsing.NULL_MODELS:
            record.unsupported(kind)
        return found

    parsing.resource_class_from_type = find_or_own


def _repair_job_definitions() -> None:
    """Moto's CloudFormation misreads a job definition's timeout, parameters, and values that are numbers."""
    create = batch.JobDefinition.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def create_and_repair(cls: type, name: str, resource: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        definition = create(cls, name, resource, *args, **kwargs)
        properties = resource["Properties"]
        timeout = properties.get("Timeout", {})
        definition.timeout = {key[0].lower() + key[1:]: int(value) for key, value in timeout.items()}
        definition.parameters = {key: str(value) for key, value in properties.get("Parameters", {}).items()}
        container = definition.container_properties or {}
        for entry in [*container.get("environment", []), *container.get("resourceRequirements", [])]:
            # An empty text has come out of moto as an empty list.
            entry["value"] = str(entry["value"] or "")
        return definition

    batch.JobDefinition.create_from_cloudformation_json = classmethod(create_and_repair)  # type: ignore[method-assign, assignment]
