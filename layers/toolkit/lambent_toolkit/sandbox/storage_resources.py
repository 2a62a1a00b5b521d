"""Resource types that the storage process adds to moto's CloudFormation.

An API without its body, keys and usage plans are made in moto's API Gateway; of the others only the name is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.apigateway.models import apigateway_backends
from moto.core.common_models import CloudFormationModel

# (name, properties, moto's API Gateway) -> physical id
Creator = Callable[[str, dict[str, Any], Any], str]


class RecordedResource(CloudFormationModel):
    """A resource that only has an id here."""

    creator: Creator

    def __init__(self, physical_id: str) -> None:
        self._physical_id = physical_id

    @property
    def physical_resource_id(self) -> str:
        """What `Ref` gives."""
        return self._physical_id

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return nothing: no property names these."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Return nothing: one class stands for many types."""
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:  # noqa: ARG003
        """Tell that every attribute is there."""
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:  # noqa: ARG002
        """Return the id: every attribute that these kinds have is one."""
        return self._physical_id

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[override]
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_kwargs: Any
    ) -> RecordedResource:
        """Create what the resource stands for."""
        backend = apigateway_backends[account_id][region_name]
        return cls(cls.creator(resource_name, cloudformation_json.get("Properties", {}), backend))

    @classmethod
    def update_from_cloudformation_json(cls, original_resource: Any, *_args: Any, **_kwargs: Any) -> Any:  # type: ignore[override]
        """Leave it as it is: a stack is created once."""
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *_args: Any, **_kwargs: Any) -> None:  # type: ignore[override]
        """Delete nothing: a stack ends with its process."""


def _name_only(name: str, _properties: dict[str, Any], _backend: Any) -> str:
    return name


def _stage(name: str, properties: dict[str, Any], _backend: Any) -> str:
    return str(properties.get("StageName", name))


def _rest_api(name: str, properties: dict[str, Any], backend: Any) -> str:
    return str(backend.create_rest_api(name=properties.get("Name", name), description="").id)


def _api_key(name: str, properties: dict[str, Any], backend: Any) -> str:
    is_enabled = str(properties.get("Enabled", True)).lower() == "true"
    key = {"name": properties.get("Name", name), "enabled": is_enabled}
    return str(backend.create_api_key({**key, "description": properties.get("Description", "")}).id)


def _usage_plan(name: str, properties: dict[str, Any], backend: Any) -> str:
    stages = [{"apiId": each.get("ApiId"), "stage": each.get("Stage")} for each in properties.get("ApiStages", [])]
    payload = {
        "name": properties.get("UsagePlanName", name),
        "apiStages": stages,
        "throttle": lower_keys(properties.get("Throttle", {})),
        "quota": lower_keys(properties.get("Quota", {})),
    }
    return str(backend.create_usage_plan(payload).id)


def _usage_plan_key(_name: str, properties: dict[str, Any], backend: Any) -> str:
    payload = {"keyId": properties["KeyId"], "keyType": properties.get("KeyType", "API_KEY")}
    backend.create_usage_plan_key(properties["UsagePlanId"], payload)
    return str(properties["KeyId"])


def lower_keys(values: dict[str, Any]) -> dict[str, Any]:
    """Return values under the names that the API gives them: ``RateLimit`` becomes ``rateLimit``."""
    return {key[0].lower() + key[1:]: value for key, value in values.items()}


CREATORS: dict[str, Creator] = {
    "AWS::ApiGateway::Account": _name_only,
    "AWS::ApiGateway::ApiKey": _api_key,
    "AWS::ApiGateway::Deployment": _name_only,
    "AWS::ApiGateway::GatewayResponse": _name_only,
    "AWS::ApiGateway::RestApi": _rest_api,
    "AWS::ApiGateway::Stage": _stage,
    "AWS::ApiGateway::UsagePlan": _usage_plan,
    "AWS::ApiGateway::UsagePlanKey": _usage_plan_key,
    "AWS::CloudWatch::Alarm": _name_only,
    "AWS::Lambda::EventInvokeConfig": _name_only,
    "AWS::S3::BucketPolicy": _name_only,
    "AWS::SNS::TopicPolicy": _name_only,
    "AWS::SQS::QueuePolicy": _name_only,
}

OWN_TYPES: dict[str, type[RecordedResource]] = {
    kind: type(kind.rpartition("::")[2], (RecordedResource,), {"creator": staticmethod(creator)})
    for kind, creator in CREATORS.items()
}
