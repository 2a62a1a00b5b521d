"""stack.json from a deployment: the few names that programs ask for, beside all physical ids."""

from __future__ import annotations

import os
from pathlib import Path

from lambent_toolkit.sandbox.aws_calls import AwsCalls
from lambent_toolkit.sandbox.deployment import Deployment
from lambent_toolkit.sandbox.options import REGION
from lambent_toolkit.sandbox.stack_info import StackInfo, named_resources


async def describe_stack(
    deployment: Deployment,
    name: str,
    *,
    aws: AwsCalls,
    url: str,
    endpoint: str,
    logs: Path,
    retry_scale: float,
    secret: str,
) -> StackInfo:
    """Collect what stack.json says; a template without some resource gets an empty name for it."""
    key_id = next((each.physical_id for each in deployment.of_kind("AWS::ApiGateway::ApiKey")), "")
    key = (await aws.get("apigateway", f"/apikeys/{key_id}?includeValue=true"))["value"] if key_id else ""
    kinds = {each.logical_id: (each.kind, each.physical_id) for each in deployment.resources.values()}
    return StackInfo(
        name=name,
        url=url,
        api_key=key,
        api_key_id=key_id,
        endpoint=endpoint,
        region=REGION,
        buckets=named_resources(kinds, "AWS::S3::Bucket", "Bucket"),
        queues=named_resources(kinds, "AWS::SQS::Queue", "Queue"),
        table=_first(deployment, "AWS::DynamoDB::Table"),
        topic=_first(deployment, "AWS::SNS::Topic"),
        functions=named_resources(kinds, "AWS::Lambda::Function", "Function"),
        logs=str(logs),
        retry_scale=retry_scale,
        pid=os.getpid(),
        resources=deployment.physical_ids(),
        secret=secret,
    )


def _first(deployment: Deployment, kind: str) -> str:
    return next((each.physical_id for each in deployment.of_kind(kind)), "")
