"""CloudFormation of the local storage: what AWS refuses is refused, a change changes what it says, and nothing is left.

The storage process by itself; the supervisor's side only takes note.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from os import getpid
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from lambent_toolkit.sandbox.options import LOCAL_PARAMETERS
from lambent_toolkit.sandbox.stack_info import CREDENTIALS
from lambent_toolkit.sandbox.storage import _environment
from lambent_toolkit.sandbox.template import translate
from patience import wait_for

ROOT = Path(__file__).parents[2]
SAM = "AWS::Serverless-2016-10-31"
FUNCTION = {
    "Type": "AWS::Serverless::Function",
    "Properties": {
        "CodeUri": "s3://bucket/key",
        "Handler": "app.handler",
        "Runtime": "python3.11",
        "Role": "arn:aws:iam::123456789012:role/r",
        "Timeout": {"Ref": "Seconds"},
        "Environment": {"Variables": {"MODE": {"Fn::If": ["IsLoud", "loud", "quiet"]}}},
    },
}
TEMPLATE: dict[str, Any] = {
    "Transform": SAM,
    "Parameters": {
        "Seconds": {"Type": "Number", "Default": 3, "MaxValue": 900},
        "Mode": {"Type": "String", "Default": "quiet", "AllowedValues": ["quiet", "loud"]},
        "Types": {"Type": "CommaDelimitedList", "Default": "a,b"},
    },
    "Rules": {
        "LoudTakesLonger": {
            "RuleCondition": {"Fn::Equals": [{"Ref": "Mode"}, "loud"]},
            "Assertions": [
                {"Assert": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Seconds"}, "3"]}]}, "AssertDescription": "wait longer"}
            ],
        }
    },
    "Conditions": {"IsLoud": {"Fn::Equals": [{"Ref": "Mode"}, "loud"]}},
    "Resources": {
        "Work": FUNCTION,
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Loudspeaker": {"Type": "AWS::SNS::Topic", "Condition": "IsLoud"},
        "Kept": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
        "Mine": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate"},
    },
    "Outputs": {
        "First": {"Value": {"Fn::Select": [0, {"Ref": "Types"}]}},
        "Topic": {"Condition": "IsLoud", "Value": {"Ref": "Loudspeaker"}},
    },
}
ASSUMED_BY_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
LOUD = {"Mode": "loud", "Seconds": "9"}


class Storage:
    """The process, and which stacks it has told of; ``refuses`` makes the other side fail."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refuses = False
        self.acknowledged: tuple[str, ...] = ()
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._process = subprocess.Popen(
            # Nothing for the file of rights: nobody is judged.
            [sys.executable, "-m", "lambent_toolkit.sandbox.storage_server", str(getpid()), self._url, ""],
            env=_environment("of this test"),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.cloudformation = self.client("cloudformation")
        self.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(ASSUMED_BY_LAMBDA))

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _handler(storage) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request below
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                storage.told.append(self.path)
                self.send_response(500 if storage.refuses else 200)
                self.send_header("Content-Length", "7")
                self.end_headers()
                self.wfile.write(b"no room")

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", **CREDENTIALS)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._server.shutdown()
        self._server.server_close()

    def change_set(self, name: str, kind: str = "CREATE", template: Any = TEMPLATE, **values: str) -> dict[str, Any]:
        made = self.cloudformation.create_change_set(
            StackName=name,
            ChangeSetName=f"set-{uuid4().hex}",
            ChangeSetType=kind,
            TemplateBody=json.dumps(template),
            Capabilities=[*self.acknowledged],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        )
        found: dict[str, Any] = self.cloudformation.describe_change_set(StackName=name, ChangeSetName=made["Id"])
        return found

    def deploy(self, name: str, kind: str = "CREATE", template: Any = TEMPLATE, **values: str) -> dict[str, Any]:
        """Create and execute a change set, as `sam deploy` does; return the stack."""
        made = self.change_set(name, kind, template, **values)
        assert made["Status"] == "CREATE_COMPLETE", made
        self.cloudformation.execute_change_set(StackName=name, ChangeSetName=made["ChangeSetId"])
        wait_for(
            lambda: not self.stack(name)["StackStatus"].endswith("IN_PROGRESS"), what=f"the end of {name}'s change"
        )
        return self.stack(name)

    def stack(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return found

    def resources(self, name: str) -> dict[str, str]:
        listed = self.cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed}

    def reasons(self, name: str) -> list[str]:
        events = self.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        return [each["ResourceStatusReason"] for each in events if "ResourceStatusReason" in each]


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    running = Storage()
    yield running
    running.close()


@pytest.fixture
def name() -> str:
    return f"stack-{uuid4().hex[:8]}"


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def changes(change_set: dict[str, Any]) -> set[tuple[str, str]]:
    listed = [each["ResourceChange"] for each in change_set["Changes"]]
    return {(each["Action"], each["LogicalResourceId"]) for each in listed}


def test_change_set_of_a_sam_template_makes_a_stack_with_outputs_and_list_parameters(
    storage: Storage, name: str
) -> None:
    stack = storage.deploy(name)

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert outputs(stack) == {"First": "a"}
    assert set(storage.resources(name)) == {"Work", "Queue", "Kept", "Mine"}
    assert f"/stack/{name}" in storage.told


def test_template_reads_back_as_it_was_sent(storage: Storage, name: str) -> None:
    storage.deploy(name)

    sent = storage.cloudformation.get_template(StackName=name)["TemplateBody"]

    assert (json.loads(sent) if isinstance(sent, str) else sent)["Transform"] == SAM


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Mode": "shrill"}, "Parameter 'Mode' must be one of AllowedValues"),
        ({"Seconds": "901"}, "Parameter 'Seconds' must be a number not greater than 900"),
        ({"Volume": "11"}, "Parameters: [Volume] do not exist in the template"),
        ({"Mode": "loud"}, "Rule LoudTakesLonger: wait longer"),
    ],
)
def test_parameters_that_cloudformation_refuses_make_no_stack(
    storage: Storage, name: str, values: dict[str, str], said: str
) -> None:
    with pytest.raises(ClientError) as caught:
        storage.change_set(name, **values)

    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("ValidationError", said)
    with pytest.raises(ClientError, match="does not exist"):
        storage.stack(name)


def test_transform_that_fails_shows_in_the_change_set(storage: Storage, name: str) -> None:
    broken = {**TEMPLATE, "Resources": {"Work": {"Type": "AWS::Serverless::Function"}}, "Outputs": {}}

    made = storage.change_set(name, template=broken)

    assert made["Status"] == "FAILED"
    assert f"Transform {SAM} failed with" in made["StatusReason"]
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        storage.cloudformation.execute_change_set(StackName=name, ChangeSetName=made["ChangeSetId"])


def test_roles_that_nobody_acknowledged_fail_the_change_set(storage: Storage, name: str) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}
    made = storage.change_set(name, template={**TEMPLATE, "Resources": {**TEMPLATE["Resources"], "Role": role}})

    assert (made["Status"], made["StatusReason"]) == ("FAILED", "Requires capabilities : [CAPABILITY_IAM]")


def test_update_changes_what_depends_on_a_parameter_by_any_way_and_nothing_else(storage: Storage, name: str) -> None:
    storage.deploy(name)
    before = storage.resources(name)

    planned = storage.change_set(name, "UPDATE", **LOUD)
    stack = storage.deploy(name, "UPDATE", **LOUD)
    after = storage.resources(name)
    function = storage.client("lambda").get_function_configuration(FunctionName=after["Work"])

    assert changes(planned) == {("Add", "Loudspeaker"), ("Modify", "Work")}
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert {key: after[key] for key in before} == before
    assert outputs(stack) == {"First": "a", "Topic": after["Loudspeaker"]}
    assert (function["Timeout"], function["Environment"]["Variables"]) == (9, {"MODE": "loud"})


def test_update_back_takes_away_what_it_had_added(storage: Storage, name: str) -> None:
    storage.deploy(name, **LOUD)
    topic = storage.resources(name)["Loudspeaker"]

    storage.deploy(name, "UPDATE", Mode="quiet", Seconds="9")

    assert "Loudspeaker" not in storage.resources(name)
    assert topic not in [each["TopicArn"] for each in storage.client("sns").list_topics()["Topics"]]


def test_change_set_without_changes_is_failed_as_sam_deploy_expects_it(storage: Storage, name: str) -> None:
    storage.deploy(name)

    made = storage.change_set(name, "UPDATE")

    assert made["Status"] == "FAILED"
    assert "The submitted information didn't contain changes." in made["StatusReason"]


def test_what_cannot_be_changed_here_rolls_the_update_back(storage: Storage, name: str) -> None:
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        },
    }
    with_table = {**TEMPLATE, "Resources": {**TEMPLATE["Resources"], "Table": table}}
    storage.deploy(name, template=with_table)
    other = json.loads(json.dumps(with_table))
    other["Resources"]["Table"]["Properties"]["BillingMode"] = "PROVISIONED"
    other["Resources"]["More"] = {"Type": "AWS::SQS::Queue"}
    before = storage.resources(name)

    stack = storage.deploy(name, "UPDATE", other)

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert storage.resources(name) == before
    assert any(
        "cannot change BillingMode of a resource of type AWS::DynamoDB::Table" in each for each in storage.reasons(name)
    )


def test_creation_that_cannot_be_followed_is_rolled_back_but_for_what_is_retained(storage: Storage, name: str) -> None:
    storage.refuses = True
    try:
        stack = storage.deploy(name)
    finally:
        storage.refuses = False
    buckets = [each["Name"] for each in storage.client("s3").list_buckets()["Buckets"]]

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("no room" in each for each in storage.reasons(name))
    assert storage.resources(name) == {}
    assert [bucket.split("-")[2] for bucket in buckets if bucket.startswith(name)] == ["kept"]


def test_deleted_stack_leaves_what_is_retained(storage: Storage, name: str) -> None:
    storage.deploy(name, **LOUD)
    made = storage.resources(name)

    storage.cloudformation.delete_stack(StackName=name)
    buckets = [each["Name"] for each in storage.client("s3").list_buckets()["Buckets"]]
    functions = [each["FunctionName"] for each in storage.client("lambda").list_functions()["Functions"]]

    with pytest.raises(ClientError, match="does not exist"):
        storage.stack(name)
    assert {made["Kept"], made["Mine"]} <= set(buckets)
    assert made["Work"] not in functions


def test_stack_that_exists_is_not_created_again(storage: Storage, name: str) -> None:
    storage.deploy(name)

    with pytest.raises(ClientError, match="already exists"):
        storage.change_set(name, "CREATE")


def test_create_stack_takes_a_sam_template_only_with_auto_expand(storage: Storage, name: str) -> None:
    with pytest.raises(ClientError, match="CAPABILITY_AUTO_EXPAND"):
        storage.cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))

    storage.cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_AUTO_EXPAND"]
    )

    assert storage.stack(name)["StackStatus"] == "CREATE_COMPLETE"


def test_queues_logs_and_plans_take_their_new_properties(storage: Storage, name: str) -> None:
    def template(seconds: int, days: int, rate: int) -> dict[str, Any]:
        return {
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": seconds}},
                "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": days}},
                "Plan": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": {"Throttle": {"RateLimit": rate}}},
            }
        }

    storage.deploy(name, template=template(60, 1, 5))
    made = storage.resources(name)
    storage.deploy(name, "UPDATE", template(120, 3, 7))

    queue = storage.client("sqs").get_queue_attributes(QueueUrl=made["Queue"], AttributeNames=["All"])["Attributes"]
    (log_group,) = storage.client("logs").describe_log_groups(logGroupNamePrefix=made["Log"])["logGroups"]
    plan = storage.client("apigateway").get_usage_plan(usagePlanId=made["Plan"])
    assert storage.resources(name) == made
    assert (queue["MessageRetentionPeriod"], log_group["retentionInDays"]) == ("120", 3)
    assert plan["throttle"]["rateLimit"] == 7


def test_what_refers_to_a_replaced_resource_is_changed_as_well(storage: Storage, name: str) -> None:
    def template(memory: str) -> dict[str, Any]:
        container = {
            "Image": "image",
            "ResourceRequirements": [{"Type": "VCPU", "Value": "1"}, {"Type": "MEMORY", "Value": memory}],
        }
        job = {
            "Type": "AWS::Batch::JobDefinition",
            "Properties": {"Type": "container", "ContainerProperties": container},
        }
        properties = {**FUNCTION["Properties"], "Timeout": 3, "Environment": {"Variables": {"JOB": {"Ref": "Job"}}}}
        return {"Transform": SAM, "Resources": {"Work": {**FUNCTION, "Properties": properties}, "Job": job}}

    storage.deploy(name, template=template("1024"))
    before = storage.resources(name)
    storage.deploy(name, "UPDATE", template("2048"))
    after = storage.resources(name)

    function = storage.client("lambda").get_function_configuration(FunctionName=after["Work"])
    assert after["Job"] != before["Job"]
    assert after["Work"] == before["Work"]
    assert function["Environment"]["Variables"] == {"JOB": after["Job"]}


# Of the product's parameters, those whose other value cannot be told from their declaration.
OTHER_VALUES = {
    "AllowedOrigins": "https://example.com",
    "AlarmEmail": "on-call@example.com",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:on-call",
    "GpuInstanceTypes": "g6.xlarge",
    "ModelPublicKeys": f"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE{'A' * 86}==",
    "PreloadModels": "digits",
    "WebhookTrustedHosts": "example.com",
    "WorkerImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/lambent-worker:next",
    "DefaultTenant": "somebody",
}
# A rule or a network that is not there holds them back; GpuEnabled has a step of its own.
LEFT_ALONE = {"Architecture", "Interpreter", "PythonVersion", "GpuEnabled", "VpcId", "SubnetIds"}


def other_value(name: str, declared: dict[str, Any]) -> str:
    if name in OTHER_VALUES:
        return OTHER_VALUES[name]
    if "AllowedValues" in declared:
        return next(str(each) for each in declared["AllowedValues"] if each != declared["Default"])
    number = int(declared["Default"])
    return str(number - 1 if number == declared.get("MaxValue") else number + 1)


def test_product_s_template_is_created_with_the_gpu_lane_takes_every_other_value_and_is_deleted(
    storage: Storage, name: str
) -> None:
    template = translate(ROOT / "template.yaml", LOCAL_PARAMETERS).body
    declared = template["Parameters"]
    others = {key: other_value(key, declared[key]) for key in declared if key not in LEFT_ALONE}
    others["PythonVersion"] = LOCAL_PARAMETERS["PythonVersion"]
    storage.acknowledged = ("CAPABILITY_IAM",)
    try:
        created = storage.deploy(name, template=template, **LOCAL_PARAMETERS)
        changed = storage.deploy(name, "UPDATE", template, GpuEnabled="true", **others)
        made = storage.resources(name)
        without = storage.deploy(name, "UPDATE", template, GpuEnabled="false", **others)
        left, reasons = storage.resources(name), storage.reasons(name)
    finally:
        storage.acknowledged = ()
    storage.cloudformation.delete_stack(StackName=name)
    tables = storage.client("dynamodb").list_tables()["TableNames"]
    queues = storage.client("sqs").list_queues().get("QueueUrls", [])

    assert created["StackStatus"] == "CREATE_COMPLETE", reasons
    assert changed["StackStatus"] == "UPDATE_COMPLETE", reasons
    assert without["StackStatus"] == "UPDATE_COMPLETE", reasons
    assert "BatchJobQueue" in made
    assert "BatchJobQueue" not in left
    assert storage.client("batch").describe_job_queues()["jobQueues"] == []
    assert made["Table"] in tables
    assert [queue for queue in queues if name in queue] == []
