"""The rules of what template.yaml keeps, watches and grants to people, and changes of it that they must notice."""

from __future__ import annotations

import json

import template_people_rules as people_rules
import template_storage_rules as storage_rules
import template_watch_rules as watch_rules
from template_mutants import Mutant


def _properties(name: str, *path: str | int) -> tuple[str | int, ...]:
    return (name, "Properties", *path)


def _right(name: str, number: int, *path: str | int) -> tuple[str | int, ...]:
    return _properties(name, "PolicyDocument", "Statement", number, *path)


UPKEEP_RULES = [*storage_rules.RULES, *watch_rules.RULES, *people_rules.RULES]
UPKEEP_MUTANTS = [
    Mutant(
        storage_rules.what_cannot_be_made_again_is_kept_once_it_was_made, ("ModelsBucket", "DeletionPolicy"), "Retain"
    ),
    Mutant(storage_rules.what_cannot_be_made_again_is_kept_once_it_was_made, ("Table", "UpdateReplacePolicy")),
    Mutant(
        storage_rules.what_cannot_be_made_again_is_kept_once_it_was_made, ("SweepLogGroup", "DeletionPolicy"), "Retain"
    ),
    Mutant(
        storage_rules.old_versions_of_objects_expire, _properties("ModelsBucket", "LifecycleConfiguration", "Rules", 0)
    ),
    Mutant(
        storage_rules.old_versions_of_objects_expire,
        _properties("DataBucket", "LifecycleConfiguration", "Rules", 7, "ExpiredObjectDeleteMarker"),
    ),
    Mutant(storage_rules.outputs_name_what_people_look_for, ("UsagePlanId",), section="Outputs"),
    Mutant(storage_rules.outputs_name_what_people_look_for, ("SweepLogGroupName",), section="Outputs"),
    Mutant(watch_rules.what_callers_notice_raises_an_alarm, ("ThrottlesAlarm",)),
    Mutant(
        watch_rules.what_callers_notice_raises_an_alarm,
        _properties("PredictErrorsAlarm", "Dimensions", 0, "Value"),
        {"Ref": "JobsFunction"},
    ),
    Mutant(watch_rules.what_callers_notice_raises_an_alarm, ("DeadLettersUnrecordedAlarm",)),
    Mutant(watch_rules.chains_that_lambda_stops_raise_an_alarm, ("RecursionAlarm",)),
    Mutant(
        watch_rules.alarms_watch_metrics_that_there_are,
        _properties("DeadLettersUnrecordedAlarm", "MetricName"),
        "DeadLetterUnrecorded",
    ),
    Mutant(
        watch_rules.alarms_watch_metrics_that_there_are,
        _properties("DeadLettersUnrecordedAlarm", "Dimensions", 0, "Name"),
        "queue",
    ),
    Mutant(
        watch_rules.alarms_watch_metrics_that_there_are, _properties("ApiServerErrorsAlarm", "MetricName"), "5xxError"
    ),
    Mutant(
        watch_rules.alarms_watch_metrics_that_there_are,
        _properties("SweepErrorsAlarm", "Dimensions", 0, "Name"),
        "Function",
    ),
    Mutant(watch_rules.silence_is_no_alarm, _properties("ThrottlesAlarm", "TreatMissingData"), "breaching"),
    Mutant(
        watch_rules.the_dashboard_stays_within_the_free_ones,
        _properties("Dashboard", "DashboardBody"),
        {"Fn::Sub": json.dumps({"widgets": [{"properties": {"metrics": [["A", str(n), {}] for n in range(41)]}}]})},
    ),
    Mutant(people_rules.people_get_no_wildcards, _right("PublisherPolicy", 7, "Action"), "s3:*"),
    Mutant(people_rules.people_get_no_wildcards, _right("ReaderPolicy", 2, "Resource"), "*"),
    Mutant(people_rules.people_get_no_wildcards, _right("TrainerPolicy", 9, "Condition")),
    Mutant(
        people_rules.people_get_no_wildcards,
        _right("PublisherPolicy", 7, "Resource"),
        {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"},
    ),
    Mutant(people_rules.people_touch_the_rows_of_their_verbs, _right("PublisherPolicy", 2, "Condition")),
    Mutant(
        people_rules.people_touch_the_rows_of_their_verbs,
        _right("OperatorPolicy", -3, "Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys"),
        ["APIKEY#*", "WEBHOOK#*"],
    ),
    Mutant(people_rules.people_touch_the_rows_of_their_verbs, _right("ReaderPolicy", 1, "Action"), "dynamodb:Scan"),
    Mutant(
        people_rules.people_see_no_data_of_callers,
        _right("TrainerPolicy", 4, "Resource"),
        {"Fn::Sub": "${DataBucket.Arn}/jobs/*"},
    ),
    Mutant(people_rules.readers_change_nothing, _right("ReaderPolicy", 2, "Action"), "s3:PutObject"),
    Mutant(
        people_rules.people_cannot_change_what_runs,
        _right("PublisherPolicy", -1, "Action"),
        "lambda:UpdateFunctionConfiguration",
    ),
    Mutant(people_rules.policies_fit_into_iam, _right("ReaderPolicy", 1, "Sid"), "s" * 6_000),
    Mutant(
        people_rules.policies_have_no_names_and_nobody_yet, _properties("ReaderPolicy", "ManagedPolicyName"), "reader"
    ),
]
