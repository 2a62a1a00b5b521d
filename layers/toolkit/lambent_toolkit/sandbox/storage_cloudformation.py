"""What the storage process adds to moto's CloudFormation: more resource types, and a record of what was created.

The record holds every resource's properties with all intrinsic functions resolved, so that nobody has to resolve
`Ref`, `Fn::If` or `Fn::Sub` a second time. Runs in the storage process only.
"""

from __future__ import annotations

from typing import Any

from moto.apigateway.models import apigateway_backends
from moto.awslambda import models as awslambda
from moto.batch import models as batch
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.iam.models import iam_backends

from lambent_toolkit.sandbox.options import ACCOUNT_ID

# Types that moto does not create and that nothing in it would act on; ours read them from the record.
RECORDED_TYPES = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}


BATCH_ROLE, BATCH_ROLE_PATH = "AWSServiceRoleForBatch", "/aws-service-role/batch.amazonaws.com/"
# What moto insists on and AWS does not.
NEEDED_PROPERTIES: dict[str, dict[str, Any]] = {
    "AWS::Batch::ComputeEnvironment": {
        "ServiceRole": f"arn:aws:iam::{ACCOUNT_ID}:role{BATCH_ROLE_PATH}{BATCH_ROLE}"
    },
    "AWS::Batch::JobDefinition": {"RetryStrategy": {}},
}


class CreatedResources:
    """Logical id -> type, physical id and resolved properties, in the order of creation."""

    def __init__(self) -> None:
        self._resources: dict[str, dict[str, Any]] = {}
        self._unsupported: set[str] = set()

    def resolved(self, logical_id: str, resource: dict[str, Any]) -> None:
        """Keep the properties of a resource that is about to be created."""
        self._resources[logical_id] = {"type": resource["Type"], "properties": resource.get("Properties", {})}

    def created(self, logical_id: str, physical_id: str) -> None:
        """Keep the name that a resource got."""
        self._resources[logical_id]["physical_id"] = physical_id

    def unsupported(self, kind: str) -> None:
        """Keep a type that neither moto nor this module creates."""
        self._unsupported.add(kind)

    def as_dict(self) -> dict[str, Any]:
        """Return the record for the supervisor."""
        return {"resources": self._resources, "unsupported": sorted(self._unsupported)}


class RecordedResource(CloudFormationModel):
    """A resource that only has a name here."""

    def __init__(self, physical_id: str) -> None:
        self._physical_id = physical_id

    @property
    def physical_resource_id(self) -> str:
        return self._physical_id

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Every attribute that our kinds of resources have is their id."""
        return self._physical_id

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[override]
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_kwargs: Any
    ) -> RecordedResource:
        backend = apigateway_backends[account_id][region_name]
        return cls(cls.create(resource_name, cloudformation_json.get("Properties", {}), backend))

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], backend: Any) -> str:
        """Create what the resource stands for and return its id."""
        return str(properties.get("StageName", name))

    @classmethod
    def update_from_cloudformation_json(cls, original_resource: Any, *_args: Any, **_kwargs: Any) -> Any:  # type: ignore[override]
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *_args: Any, **_kwargs: Any) -> None:  # type: ignore[override]
        """Nothing to delete."""


class RestApi(RecordedResource):
    """An API without its body: our gateway reads that from the record."""

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], backend: Any) -> str:
        return str(backend.create_rest_api(name=properties.get("Name", name), description="").id)


class ApiKey(RecordedResource):
    """A key with a random value, as on AWS."""

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], backend: Any) -> str:
        key = {"name": properties.get("Name", name), "enabled": str(properties.get("Enabled", True)).lower() == "true"}
        return str(backend.create_api_key({**key, "description": properties.get("Description", "")}).id)


class UsagePlan(RecordedResource):
    """Rates and quota; the gateway reads them back, so plans and keys made later count as well."""

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], backend: Any) -> str:
        throttle, quota = properties.get("Throttle", {}), properties.get("Quota", {})
        payload = {
            "name": properties.get("UsagePlanName", name),
            "apiStages": [
                {"apiId": each.get("ApiId"), "stage": each.get("Stage")} for each in properties.get("ApiStages", [])
            ],
            "throttle": {key[0].lower() + key[1:]: value for key, value in throttle.items()},
            "quota": {key[0].lower() + key[1:]: value for key, value in quota.items()},
        }
        return str(backend.create_usage_plan(payload).id)


class UsagePlanKey(RecordedResource):
    """Puts a key under a plan."""

    @classmethod
    def create(cls, name: str, properties: dict[str, Any], backend: Any) -> str:
        payload = {"keyId": properties["KeyId"], "keyType": properties.get("KeyType", "API_KEY")}
        backend.create_usage_plan_key(properties["UsagePlanId"], payload)
        return str(properties["KeyId"])


OWN_TYPES: dict[str, type[RecordedResource]] = {
    **dict.fromkeys(RECORDED_TYPES, RecordedResource),
    "AWS::ApiGateway::RestApi": RestApi,
    "AWS::ApiGateway::ApiKey": ApiKey,
    "AWS::ApiGateway::UsagePlan": UsagePlan,
    "AWS::ApiGateway::UsagePlanKey": UsagePlanKey,
}


def tame_cloudformation() -> CreatedResources:
    """Patch moto's CloudFormation and return the record that it fills."""
    record = CreatedResources()
    _record_resources(record)
    _support_more_types(record)
    _repair_job_definitions()
    iam_backends[ACCOUNT_ID]["aws"].create_role(BATCH_ROLE, "{}", BATCH_ROLE_PATH, None, "", [], "3600")
    # Without it, a function's `Layers` would hold moto's objects in place of ARNs.
    awslambda.LayerVersion.physical_resource_id = property(lambda layer: layer.arn)  # type: ignore[attr-defined]
    return record


def _record_resources(record: CreatedResources) -> None:
    parse, create = parsing.parse_resource_and_generate_name, parsing.parse_and_create_resource

    def parse_and_record(logical_id: str, resource_json: dict[str, Any], resources_map: Any) -> Any:
        parsed = parse(logical_id, resource_json, resources_map)
        if parsed:
            kind = resource_json["Type"]
            parsed[1]["Properties"] = {**NEEDED_PROPERTIES.get(kind, {}), **parsed[1].get("Properties", {})}
            variables = parsed[1]["Properties"].get("Environment", {}).get("Variables", {})
            variables.update({key: str(value) for key, value in variables.items()})  # moto keeps numbers
            record.resolved(logical_id, {"Type": resource_json["Type"], **parsed[1]})
        return parsed

    def create_and_record(logical_id: str, *args: Any, **kwargs: Any) -> Any:
        resource = create(logical_id, *args, **kwargs)
        if resource is not None:
            record.created(logical_id, getattr(resource, "physical_resource_id", logical_id))
        return resource

    parsing.parse_resource_and_generate_name = parse_and_record
    parsing.parse_and_create_resource = create_and_record


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
    """moto's CloudFormation misreads a job definition's timeout, parameters, and values that are numbers."""
    create = batch.JobDefinition.create_from_cloudformation_json.__func__  # type: ignore[attr-defined]

    def create_and_repair(cls: type, name: str, resource: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        definition = create(cls, name, resource, *args, **kwargs)
        properties = resource["Properties"]
        timeout = properties.get("Timeout", {})
        definition.timeout = {key[0].lower() + key[1:]: int(value) for key, value in timeout.items()}
        definition.parameters = {key: str(value) for key, value in properties.get("Parameters", {}).items()}
        container = definition.container_properties or {}
        for entry in [*container.get("environment", []), *container.get("resourceRequirements", [])]:
            entry["value"] = str(entry["value"])
        return definition

    batch.JobDefinition.create_from_cloudformation_json = classmethod(create_and_repair)  # type: ignore[method-assign, assignment]
