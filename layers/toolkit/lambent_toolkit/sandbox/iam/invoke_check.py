"""Whether services may invoke the functions that a template ties to them: on AWS calls would fail, here the start."""

from __future__ import annotations

from collections.abc import Iterator

from lambent_toolkit.sandbox.deployment import Deployment, Resource
from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.iam.patterns import matches_arn
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION
from lambent_toolkit.sandbox.routes import Routes

INVOKE = "lambda:InvokeFunction"
GATEWAY, EVENTS = "apigateway.amazonaws.com", "events.amazonaws.com"
Invocation = tuple[str, str, str]  # (service, function name, ARN of what it acts for)


def check_invocations(deployment: Deployment) -> None:
    """Look for a permission for every route and every rule.

    Raises
    ------
    BrokenTemplate   one of them may not invoke its function
    """
    permissions = list(deployment.of_kind("AWS::Lambda::Permission"))
    for service, function, source in [*_of_apis(deployment), *_of_rules(deployment)]:
        if not any(_allows(each, service, function, source) for each in permissions):
            raise BrokenTemplate(
                f"{service} may not invoke {function} for {source}: no AWS::Lambda::Permission says so"
            )


def _of_apis(deployment: Deployment) -> Iterator[Invocation]:
    stage = next((each.physical_id for each in deployment.of_kind("AWS::ApiGateway::Stage")), "*")
    for api in deployment.of_kind("AWS::ApiGateway::RestApi"):
        for method, route in Routes(api.properties.get("Body", {})).all:
            if not route.function_name:  # answered by the gateway itself
                continue
            # The gateway asks with `*` where a path has parameters or a method may be any.
            source = f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{api.physical_id}/{stage}/{method}{route.resource}"
            yield GATEWAY, route.function_name, source


def _of_rules(deployment: Deployment) -> Iterator[Invocation]:
    for rule in deployment.of_kind("AWS::Events::Rule"):
        for target in rule.properties.get("Targets", []):
            if ":function:" in target["Arn"]:
                source = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{rule.physical_id}"
                yield EVENTS, target["Arn"].rpartition(":function:")[2], source


def _allows(permission: Resource, service: str, function: str, source: str) -> bool:
    properties = permission.properties
    name = str(properties["FunctionName"]).rpartition(":function:")[2] or str(properties["FunctionName"])
    return (
        properties["Action"] == INVOKE
        and properties["Principal"] == service
        and name == function
        and matches_arn(str(properties.get("SourceArn", source)), source)
        and properties.get("SourceAccount", ACCOUNT_ID) == ACCOUNT_ID
    )
