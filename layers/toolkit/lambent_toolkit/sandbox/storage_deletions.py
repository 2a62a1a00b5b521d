"""How the storage process deletes resources of kinds that moto's CloudFormation makes and never deletes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.apigateway.models import apigateway_backends
from moto.awslambda.models import lambda_backends
from moto.batch.models import batch_backends
from moto.ec2.models import ec2_backends

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

# (what moto made, its resolved properties)
Deleter = Callable[[Any, dict[str, Any]], None]


def _ec2() -> Any:
    return ec2_backends[ACCOUNT_ID][REGION]


def _batch() -> Any:
    return batch_backends[ACCOUNT_ID][REGION]


def _api_gateway() -> Any:
    return apigateway_backends[ACCOUNT_ID][REGION]


def _compute_environment(found: Any, _properties: dict[str, Any]) -> None:
    # Its own call asks for the environment's cluster and instances, which nothing here has made.
    _batch()._compute_environments.pop(found.arn)  # noqa: SLF001


def _job_queue(found: Any, _properties: dict[str, Any]) -> None:
    _batch().delete_job_queue(found.arn)


def _job_definition(found: Any, _properties: dict[str, Any]) -> None:
    _batch().deregister_job_definition(found.arn)


def _layer_version(found: Any, _properties: dict[str, Any]) -> None:
    lambda_backends[ACCOUNT_ID][REGION].delete_layer_version(found.name, str(found.version))


def _gateway_attachment(found: Any, properties: dict[str, Any]) -> None:
    _ec2().detach_internet_gateway(properties["InternetGatewayId"], found.vpc_id)


def _internet_gateway(found: Any, _properties: dict[str, Any]) -> None:
    _ec2().delete_internet_gateway(found.id)


def _route(found: Any, properties: dict[str, Any]) -> None:
    _ec2().delete_route(found.route_table.id, properties["DestinationCidrBlock"])


def _route_table_association(found: Any, _properties: dict[str, Any]) -> None:
    table = _ec2().get_route_table(found.route_table_id)
    for name in [each for each, subnet in table._associations.items() if subnet == found.subnet_id]:  # noqa: SLF001
        _ec2().disassociate_route_table(name)


def _route_table(found: Any, _properties: dict[str, Any]) -> None:
    _ec2().delete_route_table(found.id)


def _endpoint(found: Any, _properties: dict[str, Any]) -> None:
    _ec2().delete_vpc_endpoints([found.id])
    _ec2().vpc_end_points.pop(found.id, None)  # moto keeps it as "deleted"


def _rest_api(found: Any, _properties: dict[str, Any]) -> None:
    _api_gateway().delete_rest_api(found.physical_resource_id)


def _api_key(found: Any, _properties: dict[str, Any]) -> None:
    _api_gateway().delete_api_key(found.physical_resource_id)


def _usage_plan(found: Any, _properties: dict[str, Any]) -> None:
    _api_gateway().delete_usage_plan(found.physical_resource_id)


def _usage_plan_key(_found: Any, properties: dict[str, Any]) -> None:
    _api_gateway().delete_usage_plan_key(properties["UsagePlanId"], properties["KeyId"])


DELETERS: dict[str, Deleter] = {
    "AWS::ApiGateway::ApiKey": _api_key,
    "AWS::ApiGateway::RestApi": _rest_api,
    "AWS::ApiGateway::UsagePlan": _usage_plan,
    "AWS::ApiGateway::UsagePlanKey": _usage_plan_key,
    "AWS::Batch::ComputeEnvironment": _compute_environment,
    "AWS::Batch::JobDefinition": _job_definition,
    "AWS::Batch::JobQueue": _job_queue,
    "AWS::EC2::InternetGateway": _internet_gateway,
    "AWS::EC2::Route": _route,
    "AWS::EC2::RouteTable": _route_table,
    "AWS::EC2::SubnetRouteTableAssociation": _route_table_association,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::EC2::VPCGatewayAttachment": _gateway_attachment,
    "AWS::Lambda::LayerVersion": _layer_version,
}
