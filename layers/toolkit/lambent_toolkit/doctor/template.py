"""Checks of what was deployed: is it the template's, and is it ready."""

from __future__ import annotations

from lambent_toolkit.doctor.findings import Finding, failed, ok, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import check
from lambent_toolkit.stacks.errors import telling_aws_errors

GROUP = "deployment"
_AGAIN = "lambent deploy"


@check("stack-status", group=GROUP, asks="Did the last deployment end well?")
def _stack_status(patient: Patient) -> Finding:
    found = patient.record
    status = found["StackStatus"]
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        return ok(status)
    if status.endswith("_IN_PROGRESS"):
        return warning(f"{status}: a deployment runs", mend="wait for its end, and ask again")
    told = f"{status}: {found.get('StackStatusReason') or 'the last deployment did not end well'}"
    return failed(
        told, mend=f"aws cloudformation describe-stack-events --stack-name {patient.stack.name}; then {_AGAIN}"
    )


@check("functions-active", group=GROUP, asks="Is every function ready, with its last update made?")
def _functions_active(patient: Patient) -> Finding:
    ill = [
        f"{name} is {found.get('State')}, its last update {found.get('LastUpdateStatus')}"
        for name, found in patient.functions.items()
        if found.get("State", "Active") != "Active" or found.get("LastUpdateStatus", "Successful") == "Failed"
    ]
    if ill:
        return failed("; ".join(ill), mend=f"see Lambda's reason in the console, then {_AGAIN}")
    return ok(f"all {len(patient.functions)} functions are active")


@check(
    "recursion-allowed",
    group=GROUP,
    aws_only="its guard is the template's",
    asks="May the function that sends itself a job's next shard go on after 16 of them?",
)
def _recursion_allowed(patient: Patient) -> Finding:
    with telling_aws_errors():
        found = patient.client("lambda").get_function_recursion_config(FunctionName=patient.stack.functions["infer"])
    if found["RecursiveLoop"] == "Allow":
        return ok("InferFunction may send itself work")
    return failed(
        "Lambda stops InferFunction after 16 shards in a row: jobs would go on at the sweep's pace, one link in 15 min",
        mend=f"somebody took RecursiveLoop: Allow away; {_AGAIN}",
    )


@check("queue-sources", group=GROUP, asks="Does each function that a queue feeds take messages from it?")
def _queue_sources(patient: Patient) -> Finding:
    client = patient.client("lambda")
    with telling_aws_errors():
        names = set(patient.stack.functions.values())
        pages = client.get_paginator("list_event_source_mappings").paginate()
        found = [
            each for page in pages for each in page["EventSourceMappings"] if _function(each["FunctionArn"]) in names
        ]
    off = [f"{_function(each['FunctionArn'])} is {each['State']}" for each in found if each["State"] != "Enabled"]
    fed = {_function(each["FunctionArn"]) for each in found}
    fed_ones = ("sort", "preprocess", "infer", "dispatch", "notify")
    missing = [name for name in fed_ones if patient.stack.functions[name] not in fed]
    if off or missing:
        told = "; ".join([*off, *(f"{name} has no queue" for name in missing)])
        return failed(
            f"{told}: its queue only grows", mend=f"aws lambda update-event-source-mapping --enabled, or {_AGAIN}"
        )
    return ok(f"{len(found)} queues are read")


def _function(arn: str) -> str:
    return arn.rsplit(":function:", maxsplit=1)[-1].split(":", maxsplit=1)[0]


@check("upload-trigger", group=GROUP, asks="Does the data bucket tell the upload queue of what arrives under inbox/?")
def _upload_trigger(patient: Patient) -> Finding:
    bucket = patient.stack.buckets["data"]
    with telling_aws_errors():
        found = patient.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    rules = [
        rule["Value"]
        for each in found.get("QueueConfigurations", [])
        for rule in each.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    ]
    if any(value.startswith("inbox") for value in rules):
        return ok("objects under inbox/ reach the upload queue")
    return failed(
        "the data bucket tells nobody of uploads: files under inbox/ would lie there unread",
        mend=f"another program replaced the bucket's notifications, of which there is one owner; {_AGAIN}",
    )
