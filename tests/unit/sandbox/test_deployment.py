"""Reading the storage's record of what it created."""

from pathlib import Path
from typing import Any

import pytest

from lambent_toolkit.sandbox.deployment import Deployment
from lambent_toolkit.sandbox.errors import BrokenTemplate

QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/work"
QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:work"
CODE = {"F": Path("/build/F"), "L1": Path("/build/L1"), "L2": Path("/build/L2")}


def resource(kind: str, physical_id: str, **properties: Any) -> dict[str, Any]:
    return {"type": kind, "physical_id": physical_id, "properties": properties}


def deployment(**changes: dict[str, Any]) -> Deployment:
    resources = {
        "L1": resource("AWS::Lambda::LayerVersion", "arn:l1"),
        "L2": resource("AWS::Lambda::LayerVersion", "arn:l2"),
        "F": resource(
            "AWS::Lambda::Function",
            "f-name",
            Handler="app.handler",
            Layers=["arn:l2", "arn:l1"],
            Timeout="7",
            Environment={"Variables": {"A": 1}},
            DeadLetterConfig={"TargetArn": QUEUE_ARN},
        ),
        "Q": resource("AWS::SQS::Queue", QUEUE_URL, VisibilityTimeout="42"),
        "M": resource("AWS::Lambda::EventSourceMapping", "m", FunctionName="f-name", EventSourceArn=QUEUE_ARN),
        **changes,
    }
    return Deployment.from_record({"resources": resources, "unsupported": []}, CODE)


def test_function_has_its_layers_in_the_templates_order() -> None:
    (function,) = deployment().functions()

    assert function.layer_paths == (Path("/build/L2/python"), Path("/build/L1/python"))
    assert (function.timeout_s, function.memory_mib, function.environment) == (7, 128, {"A": "1"})
    assert (function.on_failure, function.is_destination, function.async_retries) == (QUEUE_ARN, False, 2)


def test_invoke_config_sets_retries_and_destination() -> None:
    config = resource(
        "AWS::Lambda::EventInvokeConfig",
        "c",
        FunctionName="f-name",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:1:other"}},
    )

    (function,) = deployment(C=config).functions()

    assert (function.async_retries, function.on_failure, function.is_destination) == (
        0,
        "arn:aws:sqs:us-east-1:1:other",
        True,
    )


def test_mapping_takes_the_queues_visibility_and_lambdas_defaults() -> None:
    (mapping,) = deployment().queue_mappings()

    assert (mapping.queue_url, mapping.visibility_timeout_s) == (QUEUE_URL, 42)
    assert (mapping.batch_size, mapping.window_s, mapping.max_concurrency, mapping.is_partial) == (10, 0.0, None, False)


def test_disabled_mapping_is_left_out() -> None:
    off = resource(
        "AWS::Lambda::EventSourceMapping", "m", FunctionName="f-name", EventSourceArn=QUEUE_ARN, Enabled="false"
    )

    assert deployment(M=off).queue_mappings() == []


@pytest.mark.parametrize(
    "properties", [{"EventSourceArn": "arn:aws:kinesis:x"}, {"EventSourceArn": QUEUE_ARN, "FilterCriteria": {}}]
)
def test_mapping_that_cannot_be_polled_is_refused(properties: dict[str, Any]) -> None:
    mapping = resource("AWS::Lambda::EventSourceMapping", "m", FunctionName="f-name", **properties)

    with pytest.raises(BrokenTemplate, match="only SQS queues without filters"):
        deployment(M=mapping).queue_mappings()


def test_type_that_the_storage_cannot_create_is_refused() -> None:
    with pytest.raises(BrokenTemplate, match=r"AWS::Odd::Thing \(No Moto CloudFormation support\)"):
        Deployment.from_record({"resources": {}, "unsupported": ["AWS::Odd::Thing"]}, {})


def test_only_enabled_schedules_count_once_per_target() -> None:
    targets = [{"Arn": "arn:a", "Input": "{}"}, {"Arn": "arn:b"}]
    on = resource("AWS::Events::Rule", "on", ScheduleExpression="rate(1 day)", Targets=targets)
    off = resource("AWS::Events::Rule", "off", ScheduleExpression="rate(1 day)", Targets=targets, State="DISABLED")
    event = resource("AWS::Events::Rule", "event", EventPattern={}, Targets=targets)

    schedules = deployment(On=on, Off=off, Event=event).schedules()

    assert [(rule.name, rule.target_arn, rule.input) for rule in schedules] == [
        ("on", "arn:a", "{}"),
        ("on", "arn:b", None),
    ]
