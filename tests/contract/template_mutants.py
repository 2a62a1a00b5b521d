"""Changes of template.yaml that its rules must notice."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import template_access_rules as access_rules
import template_build_rules as build_rules
import template_gateway_rules as gateway_rules
import template_lane_rules as lane_rules
import template_loop_rules as loop_rules
import template_queue_rules as queue_rules
from template_expanded import read_source

SOURCE = read_source()
REMOVED = object()


@dataclass(frozen=True)
class Mutant:
    """A change of the source template that one rule must notice: put ``value`` at ``path``, or remove what is there."""

    rule: Any
    path: tuple[str | int, ...]
    value: Any = REMOVED
    section: str = "Resources"

    def template(self) -> dict[str, Any]:
        """Return the changed template."""
        source = copy.deepcopy(SOURCE)
        node: Any = source[self.section]
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


_PREFLIGHT = _properties("Api", "DefinitionBody", "paths", "/jobs", "options", "Fn::If", 1)


def _stopping(role: str) -> int:
    """Return which of a role's statements lets it stop jobs."""
    return next(at for at, each in enumerate(_statements(role)) if each.get("Sid") == "StopGpuJobs")


def _sid(role: str, sid: str) -> int:
    """Return which of a role's statements has a name."""
    return next(at for at, each in enumerate(_statements(role)) if each.get("Sid") == sid)


def _marking(role: str) -> int:
    """Return which of a role's statements lets it mark the jobs that it submits."""
    choices = [each.get("Fn::If", [None, each])[1] for each in _statements(role)]
    return next(at for at, each in enumerate(choices) if each.get("Sid") == "MarkSubmitted")


def _statements(role: str) -> list[dict[str, Any]]:
    return list(SOURCE["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"])


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
        queue_rules.consumers_know_their_last_receive,
        _properties("BatchQueue", "RedrivePolicy", "maxReceiveCount"),
        5,
    ),
    Mutant(
        queue_rules.consumers_know_their_last_receive,
        _properties("NotifyFunction", "Environment", "Variables", "MAX_RECEIVE_COUNT"),
    ),
    Mutant(
        queue_rules.records_come_alone, _properties("InferFunction", "Events", "Infer", "Properties", "BatchSize"), 2
    ),
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
        access_rules.webhook_secrets_are_kept_from_who_needs_none,
        _statement("BatchJobRole", _sid("BatchJobRole", "ReadRecords"), "Condition"),
    ),
    Mutant(
        access_rules.webhook_secrets_are_kept_from_who_needs_none,
        _statement("InferRole", _sid("InferRole", "ReadRecords"), "Condition"),
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["MODEL#*", "*K#*"]}},
    ),
    Mutant(
        access_rules.nothing_that_runs_makes_keys,
        _statement("BatchJobRole", _sid("BatchJobRole", "ChangeJobs"), "Condition"),
    ),
    Mutant(
        access_rules.nothing_that_runs_makes_keys,
        _statement("DispatchRole", _sid("DispatchRole", "RecordJobs"), "Condition"),
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["JOB#*", "TENANT*"]}},
    ),
    Mutant(
        access_rules.rights_on_rows_name_their_partitions,
        _statement("SweepRole", _sid("SweepRole", "ReadRecords"), "Condition"),
    ),
    Mutant(
        access_rules.rights_on_rows_name_their_partitions,
        _statement("SweepRole", _sid("SweepRole", "ReadRecords"), "Condition"),
        {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["JOB#*", "*"]}},
    ),
    Mutant(
        access_rules.rights_on_rows_name_their_partitions,
        _statement("SweepRole", _sid("SweepRole", "ReadRecords"), "Action"),
        ["dynamodb:GetItem", "dynamodb:Scan"],
    ),
    Mutant(
        access_rules.uploads_cannot_loop,
        _properties("DataBucket", "NotificationConfiguration", "QueueConfigurations", 0, "Filter"),
    ),
    Mutant(
        access_rules.uploads_cannot_loop,
        _statement("PreprocessDataRole", _sid("PreprocessDataRole", "WriteTensors"), "Resource"),
        {"Fn::Sub": "${DataBucket.Arn}/inbox/done/*"},
    ),
    Mutant(access_rules.readers_can_tell_missing_from_forbidden, _statement("PredictRole", 3)),
    Mutant(
        access_rules.readers_can_tell_missing_from_forbidden,
        _statement("InferRole", 4, "Resource"),
        {"Fn::Sub": "${ModelsBucket.Arn}/*"},
    ),
    Mutant(
        access_rules.readers_can_tell_missing_from_forbidden,
        _statement("BatchJobRole", 1, "Condition"),
        {"StringLike": {"s3:prefix": "digits/*"}},
    ),
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
    Mutant(
        access_rules.code_of_people_sees_its_runs_only,
        _properties("TrainingJobDefinition", "ContainerProperties", "JobRoleArn"),
        {"Fn::GetAtt": ["BatchJobRole", "Arn"]},
    ),
    Mutant(
        access_rules.code_of_people_sees_its_runs_only,
        _statement("TrainingDataRole", 3, "Resource"),
        {"Fn::Sub": "${DataBucket.Arn}/jobs/*"},
    ),
    Mutant(lane_rules.batch_attempts_end, _properties("BatchJobDefinition", "Timeout")),
    Mutant(lane_rules.batch_attempts_end, _properties("TrainingJobDefinition", "Timeout")),
    Mutant(
        lane_rules.batch_retries_only_what_may_pass,
        _properties("TrainingJobDefinition", "RetryStrategy", "EvaluateOnExit", 4),
    ),
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
        lane_rules.jobs_with_a_gpu_end_at_once_without_one,
        _properties("TrainingJobDefinition", "ContainerProperties", "Environment", 3),
    ),
    Mutant(
        lane_rules.jobs_with_a_gpu_end_at_once_without_one,
        _properties("BatchJobDefinition", "ContainerProperties", "ResourceRequirements", 0),
    ),
    Mutant(
        lane_rules.hosts_keep_their_role_from_jobs, _properties("BatchLaunchTemplate", "LaunchTemplateData", "UserData")
    ),
    Mutant(
        lane_rules.hosts_keep_their_role_from_jobs,
        _properties("BatchLaunchTemplate", "LaunchTemplateData", "UserData"),
        {"Fn::Base64": "#!/bin/bash\niptables --insert OUTPUT --destination 169.254.169.254 --uid-owner 65534"},
    ),
    Mutant(
        lane_rules.hosts_keep_their_role_from_jobs,
        _properties("TrainingJobDefinition", "ContainerProperties", "User"),
        "1000:1000",
    ),
    Mutant(
        lane_rules.hosts_keep_their_role_from_jobs,
        _properties("BatchLaunchTemplate", "LaunchTemplateData", "MetadataOptions", "HttpTokens"),
        "optional",
    ),
    Mutant(access_rules.roles_name_their_resources, _properties("BatchInstanceRole", "ManagedPolicyArns"), ["arn:x"]),
    *(
        Mutant(lane_rules.jobs_are_stopped_by_their_stack_only, _statement(role, _stopping(role), "Condition"))
        for role in ("JobsRole", "DispatchRole", "SweepRole")
    ),
    Mutant(lane_rules.jobs_are_stopped_by_their_stack_only, _statement("DispatchRole", _marking("DispatchRole"))),
    Mutant(lane_rules.hosts_have_a_way_out_from_first_to_last, ("BatchComputeEnvironment", "Metadata", "After")),
    Mutant(
        lane_rules.hosts_have_a_way_out_from_first_to_last,
        ("BatchComputeEnvironment", "Metadata", "After", "Fn::If", 1, 3),
    ),
    Mutant(
        lane_rules.spot_capacity_is_looked_for_in_three_zones,
        _properties("BatchComputeEnvironment", "ComputeResources", "Subnets", "Fn::If", 1, 2),
    ),
    Mutant(
        lane_rules.spot_capacity_is_looked_for_in_three_zones,
        _properties("SubnetC", "AvailabilityZone", "Fn::Select", 0),
        0,
    ),
    Mutant(
        lane_rules.hosts_take_new_images,
        _properties("BatchComputeEnvironment", "ComputeResources", "UpdateToLatestImageVersion"),
    ),
    Mutant(
        lane_rules.batch_events_are_ours_and_survive,
        _properties("JobEventsFunction", "Events", "BatchJobStateRule", "Properties", "Pattern", "detail"),
    ),
    Mutant(
        lane_rules.batch_events_are_ours_and_survive,
        _properties("JobEventsFunction", "Events", "BatchJobStateRule", "Properties", "DeadLetterConfig"),
    ),
    Mutant(
        lane_rules.batch_events_that_change_nothing_start_nothing,
        _properties("JobEventsFunction", "Events", "BatchJobStateRule", "Properties", "Pattern", "$or"),
    ),
    Mutant(
        lane_rules.batch_events_that_change_nothing_start_nothing,
        _properties("JobEventsFunction", "Events", "BatchJobStateRule", "Properties", "Pattern", "$or", 2, "detail"),
    ),
    Mutant(
        lane_rules.functions_log_at_the_level_that_is_asked_for,
        _properties("NotifyFunction", "LoggingConfig", "ApplicationLogLevel"),
        "WARN",
    ),
    Mutant(
        lane_rules.functions_log_at_the_level_that_is_asked_for,
        _properties("NotifyFunction", "Environment", "Variables", "POWERTOOLS_LOG_LEVEL"),
        "ERROR",
    ),
    Mutant(loop_rules.who_reaches_itself_may_and_nobody_else, _properties("InferFunction", "RecursiveLoop")),
    Mutant(loop_rules.who_reaches_itself_may_and_nobody_else, _properties("NotifyFunction", "RecursiveLoop"), "Allow"),
    Mutant(  # Dispatch reaches Infer, and could be reached from there
        loop_rules.who_reaches_itself_may_and_nobody_else,
        _statement("InferRole", _sid("InferRole", "SendNextShard"), "Resource"),
        [{"Fn::GetAtt": ["InferQueue", "Arn"]}, {"Fn::GetAtt": ["BatchQueue", "Arn"]}],
    ),
    Mutant(  # by the bucket, whose notification starts Preprocess
        loop_rules.who_reaches_itself_may_and_nobody_else,
        _statement("PreprocessDataRole", _sid("PreprocessDataRole", "WriteTensors"), "Resource"),
        {"Fn::Sub": "${DataBucket.Arn}/*"},
    ),
    Mutant(  # what is sorted is not to be sorted again
        loop_rules.who_reaches_itself_may_and_nobody_else,
        _statement("SortRole", _sid("SortRole", "SortByTenant"), "Resource"),
        {"Fn::GetAtt": ["UploadQueue", "Arn"]},
    ),
    Mutant(  # who looks at an upload may die of it
        queue_rules.records_come_alone,
        _statement("SortRole", _sid("SortRole", "SortByTenant"), "Action"),
        ["sqs:SendMessage", "s3:GetObject"],
    ),
    Mutant(gateway_rules.binary_bodies_pass, _properties("Api", "BinaryMediaTypes")),
    Mutant(
        gateway_rules.every_route_but_the_document_needs_a_key,
        _properties("JobsFunction", "Events", "Docs", "Properties", "Auth"),
    ),
    Mutant(
        gateway_rules.every_route_but_the_document_needs_a_key,
        _properties("JobsFunction", "Events", "GetJob", "Properties", "Auth"),
        {"ApiKeyRequired": False},
    ),
    Mutant(gateway_rules.gateway_errors_look_like_ours, _properties("Api", "GatewayResponses", "THROTTLED")),
    Mutant(
        gateway_rules.gateway_errors_tell_when_another_try_is_worth_it,
        _properties("Api", "GatewayResponses", "INTEGRATION_TIMEOUT", "ResponseParameters", "Headers", "Retry-After"),
    ),
    Mutant(
        gateway_rules.gateway_errors_tell_when_another_try_is_worth_it,
        _properties("Api", "GatewayResponses", "DEFAULT_5XX", *_GATEWAY_ERROR),
        '{"code":"internal_error","status":502,"retryable":true}',
    ),
    Mutant(
        gateway_rules.a_missing_key_is_told_how_to_authenticate,
        _properties("Api", "GatewayResponses", "INVALID_API_KEY", "ResponseParameters"),
    ),
    Mutant(gateway_rules.open_routes_are_throttled, _properties("Api", "MethodSettings", 1, "ResourcePath"), "/docs"),
    Mutant(gateway_rules.open_routes_are_throttled, _properties("Api", "MethodSettings", 2, "ThrottlingRateLimit"), 50),
    Mutant(gateway_rules.open_routes_are_throttled, _properties("Api", "MethodSettings", 2, "HttpMethod"), "POST"),
    Mutant(
        gateway_rules.one_key_leaves_most_of_the_stage_to_the_others,
        _properties("Api", "MethodSettings", 0, "ThrottlingRateLimit"),
        {"Ref": "RequestsPerSecond"},
    ),
    Mutant(
        gateway_rules.one_key_leaves_most_of_the_stage_to_the_others,
        _properties("UsagePlan", "Throttle", "BurstLimit"),
        {"Ref": "StageRequestBurst"},
    ),
    Mutant(
        gateway_rules.methods_are_not_metered_unless_asked_for,
        _properties("Api", "MethodSettings", 0, "MetricsEnabled"),
        True,
    ),
    Mutant(
        gateway_rules.an_access_log_is_written_when_asked_for_and_is_kept_for_a_time,
        _properties("Api", "AccessLogSetting"),
    ),
    Mutant(
        gateway_rules.an_access_log_is_written_when_asked_for_and_is_kept_for_a_time,
        _properties("AccessLogGroup", "RetentionInDays"),
    ),
    Mutant(
        gateway_rules.an_access_log_is_written_when_asked_for_and_is_kept_for_a_time,
        _properties("Api", "AccessLogSetting", "Fn::If", 1, "Format"),
        '{"status":"$context.status"}',
    ),
    Mutant(
        gateway_rules.an_access_log_is_written_when_asked_for_and_is_kept_for_a_time,
        _properties("Api", "AccessLogSetting", "Fn::If", 0),
        "IsProd",
    ),
    Mutant(
        gateway_rules.pages_of_declared_origins_may_ask,
        _properties("Api", "DefinitionBody", "paths", "/jobs", "options"),
    ),
    Mutant(
        gateway_rules.pages_of_declared_origins_may_ask,
        (*_PREFLIGHT, "x-amazon-apigateway-integration", "contentHandling"),
    ),
    Mutant(
        gateway_rules.pages_of_declared_origins_may_ask, _properties("Api", "Auth", "AddApiKeyRequiredToCorsPreflight")
    ),
    Mutant(
        gateway_rules.pages_of_declared_origins_may_ask,
        (*_PREFLIGHT, "responses", "200", "headers", "Access-Control-Allow-Origin"),
    ),
    Mutant(
        gateway_rules.pages_of_declared_origins_may_read_errors_and_upload,
        _properties("Api", "GatewayResponses", "THROTTLED", "ResponseParameters"),
    ),
    Mutant(
        gateway_rules.pages_of_declared_origins_may_read_errors_and_upload,
        _properties("DataBucket", "CorsConfiguration"),
    ),
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
    *(
        Mutant(build_rules.what_lambda_cannot_run_is_refused, (rule,), section="Rules")
        for rule in ("TfliteRuntimeNeedsX86", "TfliteRuntimeNeedsPython311", "Arm64NeedsPython312")
    ),
    Mutant(
        build_rules.what_lambda_cannot_run_is_refused,
        ("Arm64NeedsPython312", "Assertions", 0, "Assert", "Fn::Equals", 1),
        "python3.11",
        section="Rules",
    ),
    Mutant(build_rules.a_gpu_lane_without_an_image_is_refused, ("GpuNeedsWorkerImage",), section="Rules"),
    Mutant(
        build_rules.code_is_for_the_python_and_processor_that_are_asked_for,
        ("Function", "Runtime"),
        "python3.11",
        section="Globals",
    ),
    Mutant(
        build_rules.code_is_for_the_python_and_processor_that_are_asked_for,
        _properties("TablesLayer", "CompatibleRuntimes"),
        ["python3.11"],
    ),
    Mutant(
        build_rules.code_is_for_the_python_and_processor_that_are_asked_for,
        _properties("CoreLayer", "CompatibleArchitectures"),
        ["arm64"],
    ),
]
