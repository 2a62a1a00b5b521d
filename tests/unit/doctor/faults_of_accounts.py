"""Faults of account and deployment, one or more for each check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from unit.doctor.aws_answers import refusal
from unit.doctor.http_door import LAYER_HOST
from unit.doctor.seeding import FAILED, UNKNOWN, WARNING, always, answer, configured, fault, tell
from unit.doctor.well_stack import NOW_S, REGION, WellStack


# -------------------------------------------------------------------------------------------------------------- account
@fault("credentials", "ExpiredToken", UNKNOWN)
def session_has_expired(stack: WellStack) -> None:
    tell(stack, "sts", get_caller_identity=refusal("ExpiredToken"))


@fault("lambda-concurrency", "10 functions may run at once in this account, and the queues alone take 30")
def account_is_new(stack: WellStack) -> None:
    tell(stack, "lambda", get_account_settings={"AccountLimit": {"ConcurrentExecutions": 10}})


@fault("lambda-concurrency", "20 functions", WARNING)
def account_is_small(stack: WellStack) -> None:
    tell(stack, "lambda", get_account_settings={"AccountLimit": {"ConcurrentExecutions": 20}})


@fault("gpu-quota", "0 vCPUs, and a worker takes 4")
def account_may_have_no_gpu(stack: WellStack) -> None:
    tell(stack, "service-quotas", get_service_quota={"Quota": {"Value": 0.0}})


@fault("gpu-instance-types", "eu-west-1 has no g5.xlarge")
def region_lacks_a_type(stack: WellStack) -> None:
    offered = {"InstanceType": "g4dn.xlarge", "LocationType": "availability-zone", "Location": f"{REGION}a"}
    tell(stack, "ec2", describe_instance_type_offerings={"InstanceTypeOfferings": [offered]})


@fault("gpu-zones", "no zone of the lane (eu-west-1c) offers")
def subnets_lie_elsewhere(stack: WellStack) -> None:
    tell(stack, "ec2", describe_subnets={"Subnets": [{"SubnetId": "subnet-1", "AvailabilityZone": f"{REGION}c"}]})


@fault("clock", "+600 s off")
def clock_is_ahead(stack: WellStack) -> None:
    stack.door.epoch_s = NOW_S - 600


@fault("clock", "no Date", UNKNOWN)
def proxy_drops_the_date(stack: WellStack) -> None:
    answer(stack, "GET", "/docs$", always(httpx.Response(200)))


# ----------------------------------------------------------------------------------------------------------- deployment
@fault("stack-status", "UPDATE_ROLLBACK_COMPLETE")
def deployment_was_rolled_back(stack: WellStack) -> None:
    stack.status = "UPDATE_ROLLBACK_COMPLETE"


@fault("stack-status", "a deployment runs", WARNING)
def deployment_runs(stack: WellStack) -> None:
    stack.status = "UPDATE_IN_PROGRESS"


@fault("functions-active", "infer is Failed")
def function_failed(stack: WellStack) -> None:
    configured(stack, "infer", State="Failed")


@fault("python-agrees", "PythonVersion is python3.12, and these differ: jobs python3.11")
def function_has_another_python(stack: WellStack) -> None:
    configured(stack, "jobs", Runtime="python3.11")


@fault("python-agrees", "CoreLayer python3.11")
def layer_is_for_another_python(stack: WellStack) -> None:
    layers_say(stack, CompatibleRuntimes=["python3.11"])


@fault("architecture-agrees", "predict arm64")
def function_has_another_processor(stack: WellStack) -> None:
    configured(stack, "predict", Architectures=["arm64"])


@fault("architecture-agrees", "CoreLayer arm64")
def layer_is_for_another_processor(stack: WellStack) -> None:
    layers_say(stack, CompatibleArchitectures=["arm64"])


def layers_say(stack: WellStack, **changes: Any) -> None:
    well = stack._layer
    tell(stack, "lambda", get_layer_version_by_arn=lambda request: well(request) | changes)


@fault("layers-agree", "NumericLayer tflite-runtime")
def layer_has_another_interpreter(stack: WellStack) -> None:
    stack.door.files["/NumericLayer"] = stack.layer_zip("NumericLayer", interpreter="tflite-runtime")


@fault("layers-agree", "TablesLayer python3.11")
def layer_was_built_for_another_python(stack: WellStack) -> None:
    stack.door.files["/TablesLayer"] = stack.layer_zip("TablesLayer", python="python3.11")


@fault("layers-agree", "CoreLayer does not say", WARNING)
def layer_says_nothing(stack: WellStack) -> None:
    stack.door.files["/CoreLayer"] = b"no zip"


@fault("layers-agree", "could not be read from Lambda's storage: HTTP 403", UNKNOWN)
def layer_cannot_be_read(stack: WellStack) -> None:
    answer(stack, "GET", LAYER_HOST, always(httpx.Response(403, text="<Error><Code>AccessDenied</Code></Error>")))


def in_days_after(stack: WellStack, day: datetime, days: int) -> None:
    stack.epoch_s = stack.door.epoch_s = (day + timedelta(days=days)).timestamp()


@fault("runtime-supported", "support of python3.12 ended on 2028-10-31")
def python_is_no_longer_supported(stack: WellStack) -> None:
    in_days_after(stack, datetime(2028, 10, 31, tzinfo=UTC), 1)


@fault("runtime-supported", "support of python3.12 ends on 2028-10-31", WARNING)
def python_will_not_be_supported(stack: WellStack) -> None:
    in_days_after(stack, datetime(2028, 10, 31, tzinfo=UTC), -90)


@fault("runtime-supported", "python3.9 is no runtime that this release knows", WARNING, python_agrees=FAILED)
def python_is_unknown(stack: WellStack) -> None:
    configured(stack, "predict", Runtime="python3.9")


@fault("recursion-allowed", "after 16 shards")
def guard_is_on(stack: WellStack) -> None:
    tell(stack, "lambda", get_function_recursion_config={"RecursiveLoop": "Terminate"})


@fault("queue-sources", "shop-infer is Disabled")
def source_is_off(stack: WellStack) -> None:
    mappings = stack._mappings()
    (infers,) = (each for each in mappings if each["FunctionArn"].endswith("infer"))
    infers["State"] = "Disabled"
    tell(stack, "lambda", list_event_source_mappings={"EventSourceMappings": mappings})


@fault("queue-sources", "dispatch has no queue")
def source_is_gone(stack: WellStack) -> None:
    mappings = [each for each in stack._mappings() if not each["FunctionArn"].endswith("dispatch")]
    tell(stack, "lambda", list_event_source_mappings={"EventSourceMappings": mappings})


@fault("upload-trigger", "tells nobody of uploads")
def notifications_were_replaced(stack: WellStack) -> None:
    data = stack.buckets["data"]
    stack.moto("s3").put_bucket_notification_configuration(Bucket=data, NotificationConfiguration={})
