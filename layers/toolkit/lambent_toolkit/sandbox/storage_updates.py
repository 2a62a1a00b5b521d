"""How the storage process changes resources of kinds that moto's CloudFormation makes, and changes badly or never."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.apigateway.models import apigateway_backends
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.iam.models import iam_backends

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.storage_deletions import DELETERS
from lambent_toolkit.sandbox.storage_resources import RecordedResource, lower_keys

MOST_POLICY_VERSIONS = 5
QUEUE_ATTRIBUTES = {
    "DelaySeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
}


@dataclass(frozen=True)
class Change:
    """One resource that is to become another.

    Parameters
    ----------
    found : object      what moto made
    new_name : str      the name that a replacement gets
    source : dict       the resource as its template declares it now, resolved
    before, after       its properties
    """

    found: Any
    new_name: str
    source: dict[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.source["Type"])

    @property
    def names(self) -> set[str]:
        """The properties that differ."""
        return {name for name in {*self.before, *self.after} if self.before.get(name) != self.after.get(name)}

    @property
    def is_possible(self) -> bool:
        """Whether the storage can do it."""
        if self.kind in UPDATERS:
            return self.kind not in CHANGEABLE or self.names <= CHANGEABLE[self.kind]
        return self.kind in REPLACED or _is_own(self.found) or _moto_updater(self.kind) is not None

    def make(self) -> Any:
        """Do it, and return what moto has now."""
        if self.kind in UPDATERS:
            UPDATERS[self.kind](self.found, self.after)
            return self.found
        if self.kind in REPLACED:
            return self._replace()
        if _is_own(self.found):
            return self.found  # only a name is kept of it, and the record has its properties
        return _moto_updater(self.kind)(self.found, self.new_name, self.source, ACCOUNT_ID, REGION)  # type: ignore[misc]

    def _replace(self) -> Any:
        make = parsing.resource_class_from_type(self.kind).create_from_cloudformation_json
        new = make(self.new_name, self.source, ACCOUNT_ID, REGION)
        if deleter := DELETERS.get(self.kind):
            deleter(self.found, dict(self.before))
        return new


def _queue(found: Any, properties: Mapping[str, Any]) -> None:
    policy = found.policy  # which moto's own way would drop
    found._set_attributes({name: properties[name] for name in QUEUE_ATTRIBUTES & set(properties)})  # noqa: SLF001
    found.policy = policy


def _log_group(found: Any, properties: Mapping[str, Any]) -> None:
    found.set_retention_policy(properties.get("RetentionInDays"))


def _table(found: Any, properties: Mapping[str, Any]) -> None:
    found.deletion_protection_enabled = properties.get("DeletionProtectionEnabled", False)


def _compute_environment(found: Any, properties: Mapping[str, Any]) -> None:
    found.compute_resources = lower_keys(dict(properties["ComputeResources"]))


def _usage_plan(found: Any, properties: Mapping[str, Any]) -> None:
    plan = apigateway_backends[ACCOUNT_ID][REGION].usage_plans[found.physical_resource_id]
    plan.throttle = lower_keys(dict(properties.get("Throttle", {})))
    plan.quota = lower_keys(dict(properties.get("Quota", {})))
    plan.api_stages = [{"apiId": each["ApiId"], "stage": each["Stage"]} for each in properties.get("ApiStages", [])]


def _api_key(found: Any, properties: Mapping[str, Any]) -> None:
    key = apigateway_backends[ACCOUNT_ID][REGION].keys[found.physical_resource_id]
    key.enabled = str(properties.get("Enabled", True)).lower() == "true"


def _managed_policy(found: Any, properties: Mapping[str, Any]) -> None:
    """Make a new default version, as on AWS; the oldest goes where there are five."""
    iam = iam_backends[ACCOUNT_ID]["aws"]
    versions = iam.list_policy_versions(found.arn)
    if len(versions) >= MOST_POLICY_VERSIONS:
        iam.delete_policy_version(found.arn, next(each.version_id for each in versions if not each.is_default))
    iam.create_policy_version(found.arn, json.dumps(properties["PolicyDocument"]), set_as_default=True)


def _role(found: Any, properties: Mapping[str, Any]) -> None:
    iam = iam_backends[ACCOUNT_ID]["aws"]
    wanted = {each["PolicyName"]: each["PolicyDocument"] for each in properties.get("Policies", [])}
    for gone in set(iam.list_role_policies(found.name)) - set(wanted):
        iam.delete_role_policy(found.name, gone)
    for name, document in wanted.items():
        iam.put_role_policy(found.name, name, json.dumps(document))
    iam.update_assume_role_policy(found.name, json.dumps(properties["AssumeRolePolicyDocument"]))


UPDATERS: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "AWS::ApiGateway::ApiKey": _api_key,
    "AWS::ApiGateway::UsagePlan": _usage_plan,
    "AWS::Batch::ComputeEnvironment": _compute_environment,
    "AWS::DynamoDB::Table": _table,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SQS::Queue": _queue,
}
# Of these kinds only some properties; of the others all that their updater knows.
CHANGEABLE = {
    "AWS::Batch::ComputeEnvironment": {"ComputeResources"},
    # Expiry is put back with what moto drops.
    "AWS::DynamoDB::Table": {"DeletionProtectionEnabled", "TimeToLiveSpecification"},
    "AWS::IAM::ManagedPolicy": {"PolicyDocument"},
    "AWS::IAM::Role": {"AssumeRolePolicyDocument", "Policies"},
    "AWS::Logs::LogGroup": {"RetentionInDays"},
    "AWS::SQS::Queue": QUEUE_ATTRIBUTES,
}
# Made anew, as on AWS: a new revision, another name.
REPLACED = {"AWS::ApiGateway::Stage", "AWS::Batch::JobDefinition", "AWS::Lambda::Permission"}


def _is_own(found: Any) -> bool:
    return isinstance(found, RecordedResource)


def _moto_updater(kind: str) -> Callable[..., Any] | None:
    """Return moto's way to change a resource; none for kinds that inherit an empty one."""
    found: Any = parsing.resource_class_from_type(kind).update_from_cloudformation_json
    inherited: Any = CloudFormationModel.update_from_cloudformation_json
    return None if found.__func__ is inherited.__func__ else found  # type: ignore[no-any-return]
