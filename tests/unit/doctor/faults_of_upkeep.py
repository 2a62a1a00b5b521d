"""Faults of GPU lane, storage and operations, one or more for each check."""

from __future__ import annotations

from unit.doctor.aws_answers import Refusing, ToldClient, refusal
from unit.doctor.seeding import UNKNOWN, WARNING, fault, tell
from unit.doctor.well_stack import ACCOUNT, NAME, NOW_S, WellStack


# ------------------------------------------------------------------------------------------------------------- GPU lane
@fault("worker-image", "there is no image lambent-worker:1")
def image_was_never_pushed(stack: WellStack) -> None:
    tell(stack, "ecr", describe_images=refusal("ImageNotFoundException"))


@fault("worker-image", "the image lies in us-east-1, the stack in eu-west-1")
def image_lies_elsewhere(stack: WellStack) -> None:
    stack.parameters["WorkerImageUri"] = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/lambent-worker:1"


def described(stack: WellStack, operation: str, key: str, **changes: str) -> None:
    (found,) = stack.told["batch"].answers[operation][key]
    tell(stack, "batch", **{operation: {key: [found | changes]}})


@fault("compute-environment", "it is INVALID and ENABLED: no subnets")
def environment_is_invalid(stack: WellStack) -> None:
    changes = {"status": "INVALID", "statusReason": "no subnets"}
    described(stack, "describe_compute_environments", "computeEnvironments", **changes)


@fault("job-queue", "it is VALID and DISABLED")
def job_queue_is_off(stack: WellStack) -> None:
    described(stack, "describe_job_queues", "jobQueues", state="DISABLED")


# -------------------------------------------------------------------------------------------------------------- storage
@fault("buckets-closed", "not blocked: data")
def bucket_is_open(stack: WellStack) -> None:
    stack.moto("s3").delete_public_access_block(Bucket=stack.buckets["data"])


@fault("versions-expire", "never expire", WARNING)
def lifecycle_is_gone(stack: WellStack) -> None:
    stack.moto("s3").delete_bucket_lifecycle(Bucket=stack.buckets["models"])


@fault("table-protected", "no point-in-time recovery", WARNING)
def recovery_is_off(stack: WellStack) -> None:
    off = {"PointInTimeRecoveryEnabled": False}
    stack.moto("dynamodb").update_continuous_backups(TableName=stack.table, PointInTimeRecoverySpecification=off)


@fault("table-protected", "forgets nothing")
def nothing_expires(stack: WellStack) -> None:
    off = {"Enabled": False, "AttributeName": "expires_at_s"}
    stack.moto("dynamodb").update_time_to_live(TableName=stack.table, TimeToLiveSpecification=off)


@fault("logs-expire", "for ever: InferLogGroup", WARNING)
def log_is_kept(stack: WellStack) -> None:
    stack.moto("logs").delete_retention_policy(logGroupName="/lambent/infer")


# ----------------------------------------------------------------------------------------------------------- operations
@fault("dead-letters", "given up: batch_dead_letter 1")
def message_was_given_up(stack: WellStack) -> None:
    stack.moto("sqs").send_message(QueueUrl=stack.queues["batch_dead_letter"], MessageBody="x")


@fault("queues-move", "messages wait and none is being worked on: infer 1", WARNING)
def message_waits(stack: WellStack) -> None:
    stack.moto("sqs").send_message(QueueUrl=stack.queues["infer"], MessageBody="x")


@fault("alarms-heard", "no alarm tells anybody", WARNING)
def alarms_tell_nobody(stack: WellStack) -> None:
    stack.put_alarm()


@fault("alarms-heard", "has no subscriber", WARNING)
def nobody_listens(stack: WellStack) -> None:
    stack.put_alarm(stack.moto("sns").create_topic(Name="another")["TopicArn"])


@fault("alarms-heard", "has not been confirmed", WARNING)
def address_is_not_confirmed(stack: WellStack) -> None:
    waiting = {"Subscriptions": [{"SubscriptionArn": "PendingConfirmation", "Protocol": "email"}]}
    stack.told["sns"] = ToldClient("sns", list_subscriptions_by_topic=waiting)


@fault("alarms-quiet", "raised: shop-alarm: too many")
def alarm_is_raised(stack: WellStack) -> None:
    stack.moto("cloudwatch").set_alarm_state(AlarmName=f"{NAME}-alarm", StateValue="ALARM", StateReason="too many")


@fault("alarms-quiet", "alarms are gone: shop-alarm", alarms_heard=WARNING)
def alarm_was_deleted(stack: WellStack) -> None:
    stack.moto("cloudwatch").delete_alarms(AlarmNames=[f"{NAME}-alarm"])


@fault("rights", "in the last hour: Infer 1")
def function_was_refused(stack: WellStack) -> None:
    # moto filters by time, not by words.
    logged = {"timestamp": int(NOW_S * 1000) - 60_000, "message": "An error occurred (AccessDenied)"}
    stack.moto("logs").put_log_events(logGroupName="/lambent/infer", logStreamName="s", logEvents=[logged])


@fault("rights", "AWS refused", UNKNOWN)
def who_asks_may_not_read_logs(stack: WellStack) -> None:
    stack.watched["logs"] = Refusing(stack.moto("logs"), "get_paginator")


@fault("metrics-cost", "1.50 USD", WARNING)
def metrics_are_a_methods(stack: WellStack) -> None:
    stack.parameters["MethodMetrics"] = "true"
