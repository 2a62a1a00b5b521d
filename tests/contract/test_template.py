"""template.yaml keeps its rules, with and without the GPU lane; and each rule notices when it is broken."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import template_access_rules as access_rules
import template_gateway_rules as gateway_rules
import template_lane_rules as lane_rules
import template_queue_rules as queue_rules
from template_expanded import WITH_GPU, WITHOUT_GPU, ExpandedTemplate, expand, read_source

LANES = {"gpu": WITH_GPU, "cpu": WITHOUT_GPU}
SOURCE = read_source()
RULES = [*queue_rules.RULES, *access_rules.RULES, *lane_rules.RULES, *gateway_rules.RULES]
EXPANDED = {lane: expand(SOURCE, parameters) for lane, parameters in LANES.items()}
REMOVED = object()


@dataclass(frozen=True)
class Mutant:
    """A change of the source template that one rule must notice: put ``value`` at ``path``, or remove what is there."""

    rule: Any
    path: tuple[str | int, ...]
    value: Any = REMOVED

    def template(self) -> dict[str, Any]:
        """Return the changed template."""
        source = copy.deepcopy(SOURCE)
        node: Any = source["Resources"]
        for key in self.path[:-1]:
            node = node[key]
        if self.value is REMOVED:
            del node[self.path[-1]]
        else:
            node[self.path[-1]] = self.value
        return source


def _properties(name: str, *path: str | int) -> tuple[str | int, ...]:
    return (name, "Properties", *path)


def _statement(name: str, number: int, *path: str | int) -> tuple[str | int, ...]:
    return _properties(name, "Policies", 0, "PolicyDocument", "Statement", number, *path)


_GATEWAY_ERROR = ("ResponseTemplates", "application/json")
MUTANTS = [
    Mutant(
        queue_rules.visibility_covers_six_timeouts_and_the_window, _properties("InferQueue", "VisibilityTimeout"), 719
    ),
    Mutant(
        queue_rules.visibility_covers_six_timeouts_and_the_window,
        _properties("PreprocessFunction", "Events", "Upload", "Properties", "MaximumBatchingWindowInSeconds"),
        1,
    ),
    Mutant(
        queue_rules.mappings_report_single_failures,
        _properties("DispatchFunction", "Events", "Batch", "Properties", "FunctionResponseTypes"),
    ),
    Mutant(
        queue_rules.mappings_limit_concurrency,
        _properties("InferFunction", "Events", "Infer", "Properties", "ScalingConfig"),
    ),
    Mutant(queue_rules.queues_have_a_dead_letter_queue, _properties("UploadQueue", "RedrivePolicy")),
    Mutant(queue_rules.messages_are_tried_five_times, _properties("BatchQueue", "RedrivePolicy", "maxReceiveCount"), 4),
    Mutant(
        queue_rules.dead_letters_outlive_messages,
        _properties("InferDeadLetterQueue", "MessageRetentionPeriod"),
        1_209_599,
    ),
    Mutant(queue_rules.dead_letters_outlive_messages, _properties("InferQueue", "MessageRetentionPeriod"), 1_209_600),
    Mutant(access_rules.roles_name_their_resources, _statement("SweepRole", 3, "Resource"), "*"),
    Mutant(access_rules.roles_name_their_resources, _statement("InferRole", 3, "Action"), "s3:Get*"),
    Mutant(
        access_rules.roles_name_their_resources,
        _properties("JobsRole", "ManagedPolicyArns"),
        ["arn:aws:iam::aws:policy/AmazonS3FullAccess"],
    ),
    Mutant(
        access_rules.functions_have_a_role_each,
        _properties("JobsFunction", "Role"),
        {"Fn::GetAtt": ["SweepRole", "Arn"]},
    ),
    Mutant(
        access_rules.service_grants_name_their_source,
        _properties("UploadQueuePolicy", "PolicyDocument", "Statement", 0, "Condition", "StringEquals"),
    ),
    Mutant(
        access_rules.service_grants_name_their_source,
        _properties("JobEventsDeadLetterQueuePolicy", "PolicyDocument", "Statement", 0, "Condition", "ArnEquals"),
    ),
    Mutant(access_rules.access_is_by_tls_only, ("DataBucketPolicy",)),
    Mutant(access_rules.access_is_by_tls_only, _properties("QueueTlsPolicy", "Queues", 1)),
    Mutant(
        access_rules.access_is_by_tls_only, _properties("JobTopicPolicy", "PolicyDocument", "Statement", 0, "Condition")
    ),
    Mutant(
        access_rules.buckets_block_the_public,
        _properties("ModelsBucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
        False,
    ),
    Mutant(
        access_rules.buckets_keep_versions,
        _properties("ModelsBucket", "VersioningConfiguration", "Status"),
        "Suspended",
    ),
    Mutant(access_rules.what_is_stored_is_encrypted, _properties("DataBucket", "BucketEncryption")),
    Mutant(access_rules.what_is_stored_is_encrypted, _properties("InferQueue", "SqsManagedSseEnabled"), False),
    Mutant(access_rules.what_is_stored_is_encrypted, _properties("JobTopic", "KmsMasterKeyId")),
    Mutant(access_rules.table_can_be_restored_and_forgets, _properties("Table", "PointInTimeRecoverySpecification")),
    Mutant(access_rules.table_can_be_restored_and_forgets, _properties("Table", "TimeToLiveSpecification")),
    Mutant(
        access_rules.uploads_cannot_loop,
        _properties("DataBucket", "NotificationConfiguration", "QueueConfigurations", 0, "Filter"),
    ),
    Mutant(
        access_rules.uploads_cannot_loop,
        _statement("PreprocessRole", 8, "Resource"),
        {"Fn::Sub": "${DataBucket.Arn}/inbox/done/*"},
    ),
    Mutant(access_rules.readers_can_tell_missing_from_forbidden, _statement("PredictRole", 3)),
    Mutant(
        access_rules.data_outlives_its_messages,
        _properties("DataBucket", "LifecycleConfiguration", "Rules", 2, "ExpirationInDays"),
        18,
    ),
    Mutant(queue_rules.dead_letters_raise_an_alarm, _properties("InferDeadLetterAlarm", "Threshold"), 1),
    Mutant(queue_rules.dead_letters_raise_an_alarm, ("JobEventsDeadLetterAlarm",)),
    Mutant(queue_rules.waiting_queues_raise_an_alarm, ("BatchQueueAgeAlarm",)),
    Mutant(lane_rules.logs_are_kept_for_a_time, _properties("SweepLogGroup", "RetentionInDays")),
    Mutant(lane_rules.logs_are_kept_for_a_time, _properties("JobsFunction", "LoggingConfig")),
    Mutant(
        lane_rules.logs_are_kept_for_a_time,
        _properties("BatchJobDefinition", "ContainerProperties", "LogConfiguration"),
    ),
    Mutant(lane_rules.batch_attempts_end, _properties("BatchJobDefinition", "Timeout")),
    Mutant(
        lane_rules.batch_retries_only_what_may_pass,
        _properties("BatchJobDefinition", "RetryStrategy", "EvaluateOnExit", 3),
    ),
    Mutant(
        lane_rules.batch_retries_only_what_may_pass,
        _properties("BatchJobDefinition", "RetryStrategy", "EvaluateOnExit", 0),
    ),
    Mutant(
        lane_rules.an_idle_gpu_lane_costs_nothing,
        _properties("BatchComputeEnvironment", "ComputeResources", "MinvCpus"),
        4,
    ),
    Mutant(
        lane_rules.batch_events_are_ours_and_survive,
        _properties("JobEventsFunction", "Events", "BatchJobStateRule", "Properties", "Pattern", "detail"),
    ),
    Mutant(
        lane_rules.batch_events_are_ours_and_survive,
        _properties("JobEventsFunction", "Events", "BatchJobStateRule", "Properties", "DeadLetterConfig"),
    ),
    Mutant(gateway_rules.binary_bodies_pass, _properties("Api", "BinaryMediaTypes")),
    Mutant(gateway_rules.every_route_needs_a_key, _properties("Api", "Auth")),
    Mutant(
        gateway_rules.every_route_needs_a_key,
        _properties("JobsFunction", "Events", "GetJob", "Properties", "Auth"),
        {"ApiKeyRequired": False},
    ),
    Mutant(gateway_rules.gateway_errors_look_like_ours, _properties("Api", "GatewayResponses", "THROTTLED")),
    Mutant(
        gateway_rules.gateway_errors_look_like_ours,
        _properties("Api", "GatewayResponses", "DEFAULT_5XX", "StatusCode"),
        500,
    ),
    Mutant(
        gateway_rules.gateway_errors_look_like_ours,
        _properties("Api", "GatewayResponses", "DEFAULT_4XX", *_GATEWAY_ERROR),
        '{"message":"no"}',
    ),
    Mutant(
        lane_rules.references_lead_somewhere,
        _properties("DispatchFunction", "Environment", "Variables", "BATCH_JOB_QUEUE"),
        {"Ref": "BatchJobQueue"},
    ),
    Mutant(lane_rules.references_lead_somewhere, ("JobEventsFunction", "Condition")),
]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_template_keeps_the_rule(rule: Any, lane: str) -> None:
    assert list(rule(EXPANDED[lane])) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: f"{each.rule.__name__}-{'.'.join(map(str, each.path))}")
def test_a_broken_template_is_noticed(mutant: Mutant) -> None:
    source = mutant.template()

    is_noticed = any(list(mutant.rule(expand(source, parameters))) for parameters in LANES.values())

    assert is_noticed


def test_each_rule_has_a_mutant() -> None:
    assert {mutant.rule for mutant in MUTANTS} == set(RULES)


def test_without_the_gpu_lane_nothing_of_it_is_deployed() -> None:
    kinds = {each["Type"] for each in EXPANDED["cpu"].resources.values()}

    assert not [kind for kind in kinds if kind.startswith(("AWS::Batch::", "AWS::EC2::"))]
    assert "JobEventsFunction" not in EXPANDED["cpu"].resources


def test_a_vpc_of_the_user_is_taken_as_it_is() -> None:
    given = expand(SOURCE, {**WITH_GPU, "VpcId": "vpc-12345678", "SubnetIds": "subnet-12345678,subnet-23456789"})

    environment = given.of_type("Batch::ComputeEnvironment")["BatchComputeEnvironment"]["ComputeResources"]
    assert not given.of_type("EC2::VPC")
    assert environment["Subnets"] == "subnet-12345678,subnet-23456789"
    assert given.of_type("EC2::SecurityGroup")["BatchSecurityGroup"]["VpcId"] == "vpc-12345678"


def test_only_the_data_bucket_has_a_name_of_our_own() -> None:
    named = {"BucketName", "QueueName", "TableName", "TopicName", "FunctionName", "RoleName", "LogGroupName"}

    found = {
        name
        for name, each in EXPANDED["gpu"].resources.items()
        if named & each.get("Properties", {}).keys() and each["Type"] not in _TAKE_NAMES
    }

    assert found == {"DataBucket"}


# These properties name another resource.
_TAKE_NAMES = {"AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"}


def test_every_parameter_is_described_and_bounded() -> None:
    bounds = {"AllowedValues", "AllowedPattern", "MinValue"}

    loose = {
        name
        for name, each in SOURCE["Parameters"].items()
        if not each.get("Description") or (each["Type"] != "CommaDelimitedList" and not bounds & each.keys())
    }

    assert loose == set()


def test_the_expanded_template_is_the_whole_one() -> None:
    assert isinstance(EXPANDED["gpu"], ExpandedTemplate)
    assert len(EXPANDED["gpu"].of_type("Lambda::Function")) == 7
