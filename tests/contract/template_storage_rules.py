"""Rules of what a stack keeps, for how long, and where it says how to find it."""

from __future__ import annotations

from template_expanded import ExpandedTemplate
from template_references import Findings, target

# Kinds that hold what nobody can make again.
KEPT = ("S3::Bucket", "DynamoDB::Table")
# What people and `--stack` look for in the stack's outputs.
NAMED_KINDS = (
    "ApiGateway::UsagePlan",
    "ApiGateway::ApiKey",
    "DynamoDB::Table",
    "IAM::ManagedPolicy",
    "Lambda::Function",
    "Logs::LogGroup",
    "S3::Bucket",
    "SNS::Topic",
    "SQS::Queue",
)
# Told by e-mail, not asked for.
NOT_LOOKED_FOR = {"AlarmTopic"}


def what_cannot_be_made_again_is_kept_once_it_was_made(template: ExpandedTemplate) -> Findings:
    """Find what is lost with the stack, and what Retain alone would keep of a first deployment that failed.

    Source: docs.aws.amazon.com, "DeletionPolicy attribute"
    """
    holding = {name for kind in KEPT for name in template.of_type(kind)}
    for name, each in template.resources.items():
        policy, replaced = each.get("DeletionPolicy"), each.get("UpdateReplacePolicy")
        if name in holding and (policy, replaced) != ("RetainExceptOnCreate", "Retain"):
            yield f"{name}: deleted by {policy}, replaced by {replaced}"
        if name not in holding and policy == "Retain":
            yield f"{name}: a first deployment that fails leaves it behind"


def old_versions_of_objects_expire(template: ExpandedTemplate) -> Findings:
    """Find versioned buckets that keep, and bill, whatever is deleted in them."""
    for name, bucket in template.of_type("S3::Bucket").items():
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        whole = [rule for rule in rules if "Prefix" not in rule and rule["Status"] == "Enabled"]
        if not any(1 <= rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 0) <= 30 for rule in whole):
            yield f"{name}: what is deleted is billed for ever"
        if not any(rule.get("ExpiredObjectDeleteMarker") is True for rule in whole):
            yield f"{name}: markers of deleted objects stay"


def outputs_name_what_people_look_for(template: ExpandedTemplate) -> Findings:
    told = {target(each["Value"]) for each in template.outputs.values()}
    for kind in NAMED_KINDS:
        for name in template.of_type(kind).keys() - told - NOT_LOOKED_FOR:
            yield f"{name}: no output names this {kind}"


RULES = [
    what_cannot_be_made_again_is_kept_once_it_was_made,
    old_versions_of_objects_expire,
    outputs_name_what_people_look_for,
]
