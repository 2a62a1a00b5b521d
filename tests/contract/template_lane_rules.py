"""Rules of the GPU lane, of logs and of what must not dangle when the lane is off."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from typing import Any

from moto.events.models import EventPattern
from template_expanded import ExpandedTemplate
from template_references import Findings, as_list, target

_CLOSED = re.compile(
    r"^iptables .*--insert OUTPUT --destination 169\.254\.169\.254 .*--uid-owner (\d+) --jump REJECT \|\| shutdown",
    re.MULTILINE,
)


def batch_attempts_end(template: ExpandedTemplate) -> Findings:
    for name, definition in template.of_type("Batch::JobDefinition").items():
        if int(definition.get("Timeout", {}).get("AttemptDurationSeconds", 0)) < 60:
            yield f"{name}: a hanging attempt costs for ever"


def batch_retries_only_what_may_pass(template: ExpandedTemplate) -> Findings:
    for name, definition in template.of_type("Batch::JobDefinition").items():
        rules = definition.get("RetryStrategy", {}).get("EvaluateOnExit", [])
        if not rules or rules[-1] != {"OnReason": "*", "Action": "EXIT"}:
            yield f"{name}: what no rule matches is retried"
        if not 2 <= len(rules) <= 5:
            yield f"{name}: Batch takes at most five rules"
        if {"OnStatusReason": "Host EC2*", "Action": "RETRY"} not in rules:
            yield f"{name}: a lost spot instance ends the job"


def an_idle_gpu_lane_costs_nothing(template: ExpandedTemplate) -> Findings:
    for name, environment in template.of_type("Batch::ComputeEnvironment").items():
        resources = environment["ComputeResources"]
        if resources.get("MinvCpus") != 0 or resources.get("DesiredvCpus", 0) != 0 or resources["Type"] != "SPOT":
            yield f"{name}: does not scale to zero spot instances"


def jobs_with_a_gpu_end_at_once_without_one(template: ExpandedTemplate) -> Findings:
    for name, definition in template.of_type("Batch::JobDefinition").items():
        container = definition["ContainerProperties"]
        has_gpu = any(each["Type"] == "GPU" for each in container["ResourceRequirements"])
        told = {each["Name"]: each["Value"] for each in container["Environment"]}.get("WORKER_NEEDS_GPU")
        if (told == "true") != has_gpu:
            yield f"{name}: pays for a GPU and may compute without one, or is promised none"


def hosts_keep_their_role_from_jobs(template: ExpandedTemplate) -> Findings:
    """Containers on EC2 share the host's network: a limit of hops stops none of them, a rule for their user does."""
    users = {each["ContainerProperties"].get("User") for each in template.of_type("Batch::JobDefinition").values()}
    for name, environment in template.of_type("Batch::ComputeEnvironment").items():
        host = template.of_type("EC2::LaunchTemplate").get(
            target(environment["ComputeResources"].get("LaunchTemplate", {}).get("LaunchTemplateId")), {}
        )
        data = host.get("LaunchTemplateData", {})
        if data.get("MetadataOptions", {}).get("HttpTokens") != "required":
            yield f"{name}: a request that is passed on gets the host's role"
        refused = set(refused_users(data.get("UserData", {}).get("Fn::Base64", "")))
        yield from (f"{name}: user {user} gets the host's role" for user in users if user not in refused)


def refused_users(user_data: str) -> Iterator[str]:
    """Yield the users whose way to the host's role a launch template's scripts close; AWS Batch takes parts only."""
    message = email.message_from_string(user_data)
    for part in message.get_payload() if message.is_multipart() else []:
        script = str(part.get_payload())
        if part.get_content_type() != "text/x-shellscript" or not script.startswith("#!/"):
            continue
        yield from (f"{uid}:{uid}" for uid in _CLOSED.findall(script))


def jobs_are_stopped_by_their_stack_only(template: ExpandedTemplate) -> Findings:
    mine = {"Ref": "AWS::StackName"}
    for name, statements in _policies(template):
        allowed = [each for each in statements if each["Effect"] == "Allow"]
        for action, key in (("TerminateJob", "ResourceTag"), ("TagResource", "RequestTag")):
            tags = [each.get("Condition", {}).get("StringEquals", {}) for each in allowed if _names(each, action)]
            if any(tag.get(f"aws:{key}/lambent:stack") != mine for tag in tags):
                yield f"{name}: {action} on every job of the account"
        if any(_names(each, "SubmitJob") for each in allowed) and not any(
            _names(each, "TagResource") for each in allowed
        ):
            yield f"{name}: may not submit what the stack may stop"


def _names(statement: dict[str, Any], action: str) -> bool:
    return f"batch:{action}" in as_list(statement["Action"])


def _policies(template: ExpandedTemplate) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name, role in template.of_type("IAM::Role").items():
        yield name, [each for policy in role.get("Policies", []) for each in policy["PolicyDocument"]["Statement"]]
    for name, policy in template.of_type("IAM::ManagedPolicy").items():
        yield name, policy["PolicyDocument"]["Statement"]


def hosts_have_a_way_out_from_first_to_last(template: ExpandedTemplate) -> Findings:
    """Hosts that start before the routes cannot reach AWS; a network does not go while hosts have addresses in it."""
    routes = {*template.of_type("EC2::Route"), *template.of_type("EC2::SubnetRouteTableAssociation")}
    for name in template.of_type("Batch::ComputeEnvironment"):
        each = template.resources[name]
        after = {*_named(each.get("Metadata", {})), *as_list(each.get("DependsOn", []))}
        yield from (f"{name}: does not wait for {route}" for route in sorted(routes - after))


def spot_capacity_is_looked_for_in_three_zones(template: ExpandedTemplate) -> Findings:
    zones = [str(subnet["AvailabilityZone"]) for subnet in template.of_type("EC2::Subnet").values()]
    routed = {target(each["SubnetId"]) for each in template.of_type("EC2::SubnetRouteTableAssociation").values()}
    for name, environment in template.of_type("Batch::ComputeEnvironment").items():
        subnets = {target(each) for each in as_list(environment["ComputeResources"]["Subnets"])}
        if len(set(zones)) < 3 or subnets != template.of_type("EC2::Subnet").keys() or subnets != routed:
            yield f"{name}: {sorted(subnets)} in {len(set(zones))} zones"


def hosts_take_new_images(template: ExpandedTemplate) -> Findings:
    for name, environment in template.of_type("Batch::ComputeEnvironment").items():
        if environment["ComputeResources"].get("UpdateToLatestImageVersion") is not True:
            yield f"{name}: hosts keep the image of the first deployment"


def batch_events_are_ours_and_survive(template: ExpandedTemplate) -> Findings:
    for name, rule in template.of_type("Events::Rule").items():
        if "EventPattern" not in rule:
            continue
        queues = rule["EventPattern"].get("detail", {}).get("jobQueue", [])
        if [target(queue) for queue in queues] != list(template.of_type("Batch::JobQueue")):
            yield f"{name}: takes events of other job queues"
        for each in rule["Targets"]:
            if "DeadLetterConfig" not in each or "RetryPolicy" not in each:
                yield f"{name}: an event that cannot be delivered is lost"


def batch_events_that_change_nothing_start_nothing(template: ExpandedTemplate) -> Findings:
    """Take two changes of an array's job record, where 10,000 children tell 50,000."""
    for name, rule in template.of_type("Events::Rule").items():
        if "EventPattern" not in rule:
            continue
        pattern = {**rule["EventPattern"], "detail": {**rule["EventPattern"].get("detail", {}), "jobQueue": ["ours"]}}
        for status, is_child in _CHANGES:
            is_taken = EventPattern(None, pattern).matches_event(_state_change(status, is_child=is_child))
            if is_taken != ((status, is_child) in _TAKEN):
                whose = "a child" if is_child else "a job"
                yield f"{name}: {'takes' if is_taken else 'misses'} that {whose} is {status}"
        if not EventPattern(None, pattern).matches_event(_BLOCKED):
            yield f"{name}: misses that a job blocks its queue"


_STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
_CHANGES = [(status, is_child) for status in _STATES for is_child in (False, True)]
_TAKEN = {("RUNNING", False), ("RUNNING", True), ("SUCCEEDED", False), ("FAILED", False)}
_BLOCKED: Any = {"source": "aws.batch", "detail-type": "Batch Job Queue Blocked", "detail": {"jobQueue": "ours"}}


def _state_change(status: str, *, is_child: bool) -> Any:
    array = {"index": 7, "statusSummary": {}} if is_child else {"size": 10_000, "statusSummary": {}}
    detail = {"jobQueue": "ours", "status": status, "arrayProperties": array}
    return {"source": "aws.batch", "detail-type": "Batch Job State Change", "detail": detail}


def functions_log_at_the_level_that_is_asked_for(template: ExpandedTemplate) -> Findings:
    """Find what a level would not reach, and a level at which Lambda drops the metrics.

    With JSON logs Lambda drops what is below its own level, by the field `level` of each line; a line without one
    counts as INFO, and so do all metrics.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """
    level = template.parameters["LogLevel"]
    for name, function in template.of_type("Lambda::Function").items():
        logging = function.get("LoggingConfig", {})
        lambdas = logging.get("ApplicationLogLevel", "INFO")
        if logging.get("LogFormat") != "JSON" or function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] != level:
            yield f"{name}: does not log at {level}"
        if level == "DEBUG" and lambdas != "DEBUG":
            yield f"{name}: Lambda drops what it logs at DEBUG"
        if lambdas not in ("DEBUG", "INFO"):
            yield f"{name}: Lambda drops its metrics"


def logs_are_kept_for_a_time(template: ExpandedTemplate) -> Findings:
    groups = template.of_type("Logs::LogGroup")
    yield from (f"{name}: kept for ever" for name, group in groups.items() if not group.get("RetentionInDays"))
    for name, function in template.of_type("Lambda::Function").items():
        if target(function.get("LoggingConfig", {}).get("LogGroup")) not in groups:
            yield f"{name}: logs into a group of Lambda's, which keeps them for ever"
    for name, definition in template.of_type("Batch::JobDefinition").items():
        options = definition["ContainerProperties"].get("LogConfiguration", {}).get("Options", {})
        if target(options.get("awslogs-group")) not in groups:
            yield f"{name}: logs into a group of Batch's, which keeps them for ever"


def references_lead_somewhere(template: ExpandedTemplate) -> Findings:
    """With the GPU lane off, nothing may still name a part of it."""
    known = template.resources.keys() | template.parameters.keys()
    for section in (template.resources, template.outputs):
        for name, each in section.items():
            yield from (f"{name}: names {there}" for there in _named(each) if there not in known)


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _named(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("Ref", "Fn::GetAtt"):
                name = target({key: value})
                yield from () if name.startswith("AWS::") else (name,)
            elif key == "DependsOn":
                yield from as_list(value)
            else:
                yield from _named(value)
                yield from _named_in_sub(value) if key == "Fn::Sub" else ()


def _named_in_sub(value: Any) -> Iterator[str]:
    text, own = (value[0], value[1]) if isinstance(value, list) else (value, {})
    for part in text.split("${")[1:]:
        name = part.partition("}")[0].split(".")[0]
        if not name.startswith(("AWS::", "!")) and name not in own:
            yield name


RULES = [
    batch_attempts_end,
    batch_retries_only_what_may_pass,
    an_idle_gpu_lane_costs_nothing,
    jobs_with_a_gpu_end_at_once_without_one,
    hosts_keep_their_role_from_jobs,
    jobs_are_stopped_by_their_stack_only,
    hosts_have_a_way_out_from_first_to_last,
    spot_capacity_is_looked_for_in_three_zones,
    hosts_take_new_images,
    batch_events_are_ours_and_survive,
    batch_events_that_change_nothing_start_nothing,
    functions_log_at_the_level_that_is_asked_for,
    logs_are_kept_for_a_time,
    references_lead_somewhere,
]
