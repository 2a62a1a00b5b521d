"""A stack that was deployed to an AWS account, read back from CloudFormation; credentials are the SDK's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from lambent_toolkit.sandbox.stack_info import named_resources
from lambent_toolkit.stacks.errors import RegionMissing, StackUnknown, StackUnusable, telling_aws_errors
from lambent_toolkit.stacks.session import aws_session
from lambent_toolkit.stacks.stack import check_url

# A stack is used while it is updated, and after an update that was rolled back; before it is created there is nothing,
# and once it is deleted nothing is left.
_UNUSABLE = ("CREATE_", "ROLLBACK_", "DELETE_", "REVIEW_")
_CREATED = "CREATE_COMPLETE"
_TOLD_BEFORE = frozenset({"ApiUrl", "ApiKeyId"})
# By these a stack is known to be one of Lambent.
_MARKS = ("Table", "ModelsBucket", "DataBucket", "PredictFunction")


@dataclass(frozen=True)
class DeployedStack:
    """One stack of an AWS account; see `stacks.Stack` for the names that every stack has.

    Parameters
    ----------
    url : str             the output ApiUrl, or what LAMBENT_URL says: a domain name of one's own
    outputs : dict        the stack's outputs
    parameters : dict     the template parameters that it was deployed with
    status : str          CloudFormation's status, e.g. UPDATE_COMPLETE
    session               boto3 session, which holds Region and credentials
    known_key             the API key, where something has told it already
    """

    name: str
    url: str
    region: str
    buckets: dict[str, str]
    queues: dict[str, str]
    table: str
    topic: str
    functions: dict[str, str]
    resources: dict[str, str]
    outputs: dict[str, str]
    parameters: dict[str, str]
    status: str
    session: Any = field(repr=False, compare=False)
    known_key: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine: never."""
        return False

    @property
    def api_key_id(self) -> str:
        """The id of the key that the stack made for its default tenant."""
        return self.resources.get("ApiKey", "")

    @cached_property
    def api_key(self) -> str:
        """The key's value, asked for once; raises StackError, e.g. RightMissing for who may not read keys."""
        if self.known_key:
            return self.known_key
        with telling_aws_errors():
            answer = self.client("apigateway").get_api_key(apiKey=self.api_key_id, includeValue=True)
        return str(answer["value"])

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client of `service`; raises StackError without credentials."""
        with telling_aws_errors():
            return self.session.client(service, **options)

    def facts(self) -> dict[str, str]:
        """Return what `lambent status` tells of it; the key's value stays untold, since a screen may be shared."""
        return {
            "stack": f"{self.name} in {self.region}",
            "status": self.status,
            "url": self.url,
            "key": f"id {self.api_key_id}; its value: lambent key get --stack {self.name}",
            **{name: value for name, value in self.outputs.items() if name not in _TOLD_BEFORE},
        }

    def environment(self) -> dict[str, str]:
        """Return environment variables that let any AWS SDK or CLI talk to this stack; credentials stay the SDK's."""
        profile = self.session.profile_name
        named = {} if profile == "default" else {"AWS_PROFILE": profile}
        return {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region, **named}


def describe_deployed(
    name: str, *, region: str | None = None, profile: str | None = None, environ: Mapping[str, str]
) -> DeployedStack:
    """Read a stack from CloudFormation.

    Parameters
    ----------
    name      the stack's name
    region    None takes AWS_REGION, or the SDK's own: AWS_DEFAULT_REGION, the profile's
    profile   None takes the SDK's own: AWS_PROFILE, the default one
    environ   may tell AWS_REGION, and LAMBENT_URL and LAMBENT_API_KEY, which replace the stack's own address and key

    Raises
    ------
    StackUnknown         there is none of this name
    StackUnusable        it was never created, is deleted, or is not one of Lambent; or LAMBENT_URL is no address
    CredentialsMissing, RegionMissing, RightMissing, AwsUnreachable
    """
    if own_url := environ.get("LAMBENT_URL"):
        check_url(own_url)
    session = _session(region, profile, environ)
    with telling_aws_errors():
        cloudformation = session.client("cloudformation")
        record = _record(cloudformation, name, session.region_name)
        kinds = _resources(cloudformation, name)
    _check_usable(name, record["StackStatus"], kinds)
    outputs = {each["OutputKey"]: each["OutputValue"] for each in record.get("Outputs", [])}
    return DeployedStack(
        name=name,
        url=(own_url or outputs.get("ApiUrl", "")).rstrip("/"),
        region=session.region_name,
        buckets=named_resources(kinds, "AWS::S3::Bucket", "Bucket"),
        queues=named_resources(kinds, "AWS::SQS::Queue", "Queue"),
        table=kinds["Table"][1],
        topic=kinds.get("JobTopic", ("", ""))[1],
        functions=named_resources(kinds, "AWS::Lambda::Function", "Function"),
        resources={logical_id: physical_id for logical_id, (_, physical_id) in kinds.items()},
        outputs=outputs,
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in record.get("Parameters", [])},
        status=record["StackStatus"],
        session=session,
        known_key=environ.get("LAMBENT_API_KEY", ""),
    )


def _session(region: str | None, profile: str | None, environ: Mapping[str, str]) -> Any:
    session = aws_session(region=region, profile=profile, environ=environ)
    if session.region_name is None:
        raise RegionMissing("No AWS Region is known: say --region NAME, or set AWS_REGION or the profile's region.")
    return session


def _record(cloudformation: Any, name: str, region: str) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as exc:
        # CloudFormation has no code of its own for this: a ValidationError, which a malformed name is as well.
        if exc.response.get("Error", {}).get("Code") != "ValidationError":
            raise
        raise StackUnknown(
            f"There is no stack {name!r} in {region} for these credentials: check --stack, --region and --profile, or "
            f"deploy it: lambent deploy --stack {name}"
        ) from exc
    return cast("dict[str, Any]", found[0])


def _resources(cloudformation: Any, name: str) -> dict[str, tuple[str, str]]:
    """Return logical id -> type, physical id."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        each["LogicalResourceId"]: (each["ResourceType"], each["PhysicalResourceId"])
        for page in pages
        for each in page["StackResourceSummaries"]
        if each.get("PhysicalResourceId") and not each["ResourceStatus"].startswith("DELETE_COMPLETE")
    }


def _check_usable(name: str, status: str, kinds: Mapping[str, Any]) -> None:
    if status.startswith(_UNUSABLE) and status != _CREATED:
        raise StackUnusable(f"Stack {name} is {status}: wait until it is created, or see its events in CloudFormation.")
    if missing := [mark for mark in _MARKS if mark not in kinds]:
        raise StackUnusable(f"Stack {name} is none of Lambent: it has no {missing[0]}.")
