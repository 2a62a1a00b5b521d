"""A deployed stack is read from CloudFormation, and each way in which that fails is told in words."""

import json
import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from moto import mock_aws
from typer.testing import CliRunner

from lambent_toolkit.cli import stack as stack_commands
from lambent_toolkit.cli.main import app
from lambent_toolkit.stacks import DeployedStack, describe_deployed
from lambent_toolkit.stacks.deployed_logs import DeployedLogs
from lambent_toolkit.stacks.errors import (
    AwsUnreachable,
    CredentialsMissing,
    RegionMissing,
    RightMissing,
    StackUnknown,
    StackUnusable,
    telling_aws_errors,
    told,
)

REGION = "eu-west-1"
KEY = "a-key-of-twenty-letters"
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    },
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": "def handler(event, context): ..."},
    },
}
RESOURCES = {
    "Table": TABLE,
    "Role": ROLE,
    "PredictFunction": FUNCTION,
    "JobEventsFunction": FUNCTION,
    "PredictLogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/lambent/predict"}},
    "JobEventsLogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/lambent/job-events"}},
    "ModelsBucket": {"Type": "AWS::S3::Bucket"},
    "DataBucket": {"Type": "AWS::S3::Bucket"},
    "BatchQueue": {"Type": "AWS::SQS::Queue"},
    "BatchDeadLetterQueue": {"Type": "AWS::SQS::Queue"},
    "JobTopic": {"Type": "AWS::SNS::Topic"},
}


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in for an account whose credentials are this process's own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "LAMBENT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with mock_aws():
        yield


def create(resources: dict[str, Any] = RESOURCES, *, name: str = "shop") -> None:
    key = boto3.client("apigateway", region_name=REGION).create_api_key(name="k", value=KEY, enabled=True)
    # moto's CloudFormation makes no keys: a parameter with the key's id for its name has the same physical id.
    stands_for_key = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": key["id"], "Type": "String", "Value": "x"}}
    resources = {**resources, "ApiKey": stands_for_key}
    template = {"Resources": resources, "Outputs": {"ApiUrl": {"Value": "https://id.execute-api/dev"}}}
    boto3.client("cloudformation", region_name=REGION).create_stack(StackName=name, TemplateBody=json.dumps(template))


def test_the_region_is_found_where_every_tool_of_aws_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")

    stack = describe_deployed("shop", environ={"AWS_REGION": REGION})

    assert stack.region == REGION


def test_a_region_that_is_said_goes_before_the_environments() -> None:
    create()

    assert describe_deployed("shop", region=REGION, environ={"AWS_REGION": "us-west-2"}).region == REGION


def test_a_token_with_a_stray_character_is_told_and_not_shown() -> None:
    failure = told(aws.HTTPClientError(error=ValueError("Invalid header value b'the-token\\n'")))

    assert isinstance(failure, CredentialsMissing)
    assert "the-token" not in str(failure)


def test_an_answer_that_is_none_of_aws_is_told() -> None:
    with pytest.raises(AwsUnreachable, match="not AWS"), telling_aws_errors():
        raise ResponseParserError("<!doctype html>")


def test_an_endpoint_that_is_no_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "foo")

    with pytest.raises(AwsUnreachable, match="AWS_ENDPOINT_URL"):
        describe_deployed("shop", region=REGION, environ={})


def test_an_own_address_that_is_none_is_told() -> None:
    create()

    with pytest.raises(StackUnusable, match="LAMBENT_URL"):
        describe_deployed("shop", region=REGION, environ={"LAMBENT_URL": "ai.example"})


def test_the_status_shows_every_fact_whole_on_a_narrow_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(stack_commands, "_queue_table", lambda _stack: "")
    monkeypatch.setattr(
        DeployedStack, "facts", lambda _self: {"ReaderPolicyArn": f"arn:aws:iam::123456789012:policy/{'x' * 90}"}
    )

    shown = CliRunner().invoke(app, ["status", "--stack", "shop", "--region", REGION]).stdout

    assert f"arn:aws:iam::123456789012:policy/{'x' * 90}\n" in shown


def test_a_stack_has_the_names_that_programs_ask_for() -> None:
    create()

    stack = describe_deployed("shop", region=REGION, environ={})

    assert (stack.name, stack.region, stack.url, stack.is_local) == (
        "shop",
        REGION,
        "https://id.execute-api/dev",
        False,
    )
    assert set(stack.buckets) == {"models", "data"}
    assert set(stack.queues) == {"batch", "batch_dead_letter"}
    assert all(url.startswith("https://") for url in stack.queues.values())
    assert set(stack.functions) == {"predict", "job_events"}
    assert stack.topic.startswith(f"arn:aws:sns:{REGION}:")
    assert stack.client("dynamodb").describe_table(TableName=stack.table)["Table"]["TableStatus"] == "ACTIVE"
    assert stack.api_key_id == stack.resources["ApiKey"]
    assert stack.api_key == KEY


def test_an_address_and_a_key_of_ones_own_replace_the_stacks() -> None:
    create()

    stack = describe_deployed(
        "shop", region=REGION, environ={"LAMBENT_URL": "https://ai.example/", "LAMBENT_API_KEY": "mine"}
    )

    assert (stack.url, stack.api_key) == ("https://ai.example", "mine")


def test_the_key_is_neither_printed_nor_shown() -> None:
    create()

    stack = describe_deployed("shop", region=REGION, environ={"LAMBENT_API_KEY": "mine-and-secret"})

    assert stack.api_key not in repr(stack)
    assert stack.api_key not in str(stack.facts())


def test_a_stack_that_is_not_there_is_told_with_where_it_was_looked_for() -> None:
    with pytest.raises(StackUnknown, match=f"no stack 'shop' in {REGION}.*lambent deploy --stack shop"):
        describe_deployed("shop", region=REGION, environ={})


def test_a_stack_of_something_else_is_refused() -> None:
    create({"Table": TABLE})

    with pytest.raises(StackUnusable, match="none of Lambent: it has no ModelsBucket"):
        describe_deployed("shop", region=REGION, environ={})


def test_a_deleted_stack_is_no_stack() -> None:
    create()
    boto3.client("cloudformation", region_name=REGION).delete_stack(StackName="shop")

    with pytest.raises((StackUnknown, StackUnusable)):
        describe_deployed("shop", region=REGION, environ={})


def test_without_a_region_it_is_said_how_to_name_one() -> None:
    with pytest.raises(RegionMissing, match="--region"):
        describe_deployed("shop", environ={})


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_variable_of_aws_names_the_region(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    monkeypatch.setenv(variable, REGION)

    done = CliRunner().invoke(app, ["status", "--stack", "shop"])

    assert done.exit_code == 0, done.output
    assert f"shop in {REGION}" in done.stdout


def test_a_region_that_is_said_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    create()
    monkeypatch.setenv("AWS_REGION", "us-east-2")

    assert describe_deployed("shop", region=REGION, environ=os.environ).region == REGION


def test_a_profile_that_is_not_there_is_told() -> None:
    with pytest.raises(CredentialsMissing, match=r"profile .nobody.*--profile"):
        describe_deployed("shop", region=REGION, profile="nobody", environ={})


def refusal(code: str) -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": "User x may not."}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("AccessDenied"), RightMissing),
        (refusal("AccessDeniedException"), RightMissing),
        (refusal("ExpiredToken"), CredentialsMissing),
        (refusal("InvalidClientTokenId"), CredentialsMissing),
        (refusal("UnrecognizedClientException"), CredentialsMissing),
        (refusal("ThrottlingException"), AwsUnreachable),
        (aws.NoCredentialsError(), CredentialsMissing),
        (aws.PartialCredentialsError(provider="env", cred_var="x"), CredentialsMissing),
        (aws.UnauthorizedSSOTokenError(), CredentialsMissing),
        (aws.SSOTokenLoadError(error_msg="x"), CredentialsMissing),
        (aws.TokenRetrievalError(provider="sso", error_msg="x"), CredentialsMissing),
        (aws.NoRegionError(), RegionMissing),
        (aws.EndpointConnectionError(endpoint_url="https://x"), AwsUnreachable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:60],
)
def test_each_error_of_the_sdk_says_what_to_do(error: Exception, kind: type[Exception]) -> None:
    assert type(told(error)) is kind


def test_status_tells_of_a_deployed_stack_and_its_queues() -> None:
    create()

    done = CliRunner().invoke(app, ["status", "--stack", "shop", "--region", REGION])

    assert done.exit_code == 0, done.stderr
    assert "shop in eu-west-1" in done.stdout
    assert "batch_dead_letter" in done.stdout


def log(group: str, *texts: str, at_ms: int) -> None:
    client = boto3.client("logs", region_name=REGION)
    client.create_log_stream(logGroupName=group, logStreamName=f"s{at_ms}")
    events = [{"timestamp": at_ms + index, "message": text} for index, text in enumerate(texts)]
    client.put_log_events(logGroupName=group, logStreamName=f"s{at_ms}", logEvents=events)


def now_ms() -> int:
    return int(stack_commands.time.time() * 1000)


def test_logs_of_all_functions_come_in_the_order_of_time() -> None:
    create()
    start = now_ms() - 60_000
    log("/lambent/predict", "first", "third", at_ms=start)
    log("/lambent/job-events", "second", at_ms=start)
    log("/lambent/predict", "from yesterday", at_ms=start - 24 * 3600 * 1000)

    done = CliRunner().invoke(app, ["logs", "--stack", "shop", "--region", REGION])

    assert sorted(done.stdout.splitlines()) == ["job_events: second", "predict: first", "predict: third"]


def test_logs_of_a_function_that_is_not_there_name_those_that_are() -> None:
    create()

    done = CliRunner().invoke(app, ["logs", "nobody", "--stack", "shop", "--region", REGION])

    assert done.exit_code == 2
    assert all(name in done.stderr for name in ("nobody", "job_events", "predict"))


def test_an_event_that_was_told_is_not_told_again() -> None:
    create()
    start = now_ms() - 60_000
    log("/lambent/predict", "one", at_ms=start)
    logs = DeployedLogs(describe_deployed("shop", region=REGION, environ={}))

    first = [event.text for event in logs.new_events("predict", start)]
    log("/lambent/predict", "late", at_ms=start - 1)
    log("/lambent/predict", "two", at_ms=start + 5)
    second = [event.text for event in logs.new_events("predict", start - 10)]

    assert (first, sorted(second)) == (["one"], ["late", "two"])
