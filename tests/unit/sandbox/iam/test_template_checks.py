"""What ends the start of a stack: policies that cannot be judged, and services that may not invoke."""

from typing import Any

import pytest

from lambent_toolkit.sandbox.deployment import Deployment, Resource
from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.iam.invoke_check import check_invocations
from lambent_toolkit.sandbox.iam.policy_check import check_policies

ACCOUNT = "us-east-1:123456789012"
URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:{ACCOUNT}:function:f/invocations"
GET = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI}}


def deployment(*resources: tuple[str, dict[str, Any]]) -> Deployment:
    found = [Resource(f"R{n}", kind, f"id{n}", properties) for n, (kind, properties) in enumerate(resources)]
    return Deployment({each.logical_id: each for each in found}, {})


API = ("AWS::ApiGateway::RestApi", {"Body": {"paths": {"/models/{name}": {"get": GET}}}})
RULE = ("AWS::Events::Rule", {"Targets": [{"Arn": f"arn:aws:lambda:{ACCOUNT}:function:f"}]})


def permission(principal: str, source: str, **changes: str) -> tuple[str, dict[str, Any]]:
    properties = {"Action": "lambda:InvokeFunction", "FunctionName": "f", "Principal": principal, "SourceArn": source}
    return "AWS::Lambda::Permission", properties | changes


FOR_API = f"arn:aws:execute-api:{ACCOUNT}:id0/*/GET/models/*"
FOR_RULE = f"arn:aws:events:{ACCOUNT}:rule/id0"


@pytest.mark.parametrize(
    ("asker", "given"),
    [
        (API, permission("apigateway.amazonaws.com", FOR_API)),
        (RULE, permission("events.amazonaws.com", FOR_RULE)),
    ],
)
def test_a_service_with_a_permission_may_invoke(asker: Any, given: Any) -> None:
    check_invocations(deployment(asker, given))


@pytest.mark.parametrize(
    ("asker", "given"),
    [
        (API, permission("events.amazonaws.com", FOR_API)),
        (API, permission("apigateway.amazonaws.com", FOR_API, FunctionName="g")),
        (API, permission("apigateway.amazonaws.com", FOR_API, Action="lambda:GetFunction")),
        (API, permission("apigateway.amazonaws.com", FOR_API, SourceAccount="210987654321")),
        (API, permission("apigateway.amazonaws.com", f"arn:aws:execute-api:{ACCOUNT}:id0/*/POST/models/*")),
        (API, permission("apigateway.amazonaws.com", f"arn:aws:execute-api:{ACCOUNT}:other/*/GET/models/*")),
        (RULE, permission("events.amazonaws.com", f"arn:aws:events:{ACCOUNT}:rule/other")),
    ],
)
def test_a_service_without_its_permission_ends_the_start(asker: Any, given: Any) -> None:
    with pytest.raises(BrokenTemplate, match="may not invoke f"):
        check_invocations(deployment(asker, given))


BAD = {
    "Effect": "Allow",
    "Action": "s3:GetObject",
    "Resource": "*",
    "Condition": {"DateLessThan": {"aws:EpochTime": 1}},
}


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::IAM::Role", {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": [BAD]}}]}),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {"Statement": [BAD]}}),
        ("AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": [BAD]}}),
        ("AWS::S3::BucketPolicy", {"PolicyDocument": {"Statement": [BAD]}}),
        ("AWS::SQS::QueuePolicy", {"PolicyDocument": {"Statement": [BAD]}}),
        ("AWS::SNS::TopicPolicy", {"PolicyDocument": {"Statement": [BAD]}}),
    ],
)
def test_an_operator_that_is_not_known_ends_the_start_wherever_it_stands(kind: str, properties: dict) -> None:
    with pytest.raises(BrokenTemplate, match=r"R0: .*DateLessThan"):
        check_policies(deployment((kind, properties)))
