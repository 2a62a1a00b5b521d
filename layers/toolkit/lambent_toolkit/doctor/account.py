"""Checks of the account and the Region: quotas, instance types, the clock."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

from lambent_toolkit.doctor.findings import Finding, Status, failed, ok, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import a_gpu_lane, check
from lambent_toolkit.stacks.errors import telling_aws_errors

GROUP = "account"
# Three queues may each have as many functions running as QueueConcurrency says; the doors need some beside them.
_QUEUES = 3
_FOR_DOORS = 2
_SMALL_ACCOUNT = 10  # what a new account may have
_SPOT_QUOTA = ("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests")
_MOST_SKEW_S = 240  # AWS refuses signatures that are five minutes off
_NO_INSTANCES = "its workers run on this machine"


@check("credentials", group=GROUP, aws_only="it asks for none", asks="Do the credentials work, and whose are they?")
def _credentials(patient: Patient) -> Finding:
    with telling_aws_errors():
        found = patient.client("sts").get_caller_identity()
    # Not the whole name: that of a session may be somebody's address.
    return ok(f"signed in as a {found['Arn'].rpartition(':')[2].partition('/')[0]}")


@check(
    "lambda-concurrency",
    group=GROUP,
    aws_only="`lambent up --account-concurrency` says how many",
    asks="May the account run as many functions at once as the stack's queues and doors take?",
)
def _lambda_concurrency(patient: Patient) -> Finding:
    with telling_aws_errors():
        limit = patient.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    per_queue = int(patient.parameters["QueueConcurrency"])
    needed = _QUEUES * per_queue + _FOR_DOORS
    if limit >= needed:
        return ok(f"{limit} functions may run at once; the stack's queues take {_QUEUES * per_queue} at most")
    fits = max(2, (limit - _FOR_DOORS) // _QUEUES)
    told = f"{limit} functions may run at once in this account, and the queues alone take {_QUEUES * per_queue}"
    mend = (
        "ask for more: aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
        f"--desired-value 1000; until then: lambent deploy --parameter QueueConcurrency={fits}"
    )
    weigh = warning if limit > _SMALL_ACCOUNT else failed
    return weigh(f"{told}: requests over HTTP are refused (503) while they are busy", mend=mend)


@check(
    "gpu-quota",
    group=GROUP,
    aws_only=_NO_INSTANCES,
    needs=(a_gpu_lane,),
    asks="May the account have one GPU instance at spot prices?",
)
def _gpu_quota(patient: Patient) -> Finding:
    service, code, name = _SPOT_QUOTA
    with telling_aws_errors():
        found = patient.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    vcpus, needed = found["Value"], int(patient.parameters["WorkerVcpus"])
    if vcpus >= needed:
        return ok(f"{name}: {vcpus:g} vCPUs, a worker takes {needed}")
    return failed(
        f"{name}: {vcpus:g} vCPUs, and a worker takes {needed}: jobs would wait RUNNABLE until they are given up",
        mend=f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code} "
        f"--desired-value {max(needed, int(patient.parameters['GpuMaxVcpus']))}",
    )


@check(
    "gpu-instance-types",
    group=GROUP,
    aws_only=_NO_INSTANCES,
    needs=(a_gpu_lane,),
    asks="Does the Region have the instance types that the GPU lane asks for?",
)
def _gpu_instance_types(patient: Patient) -> Finding:
    wanted = patient.parameters["GpuInstanceTypes"].split(",")
    offered = {each["InstanceType"] for each in _offerings(patient, wanted)}
    missing = [each for each in wanted if each not in offered]
    if not missing:
        return ok(f"{patient.stack.region} has {', '.join(wanted)}")
    left = ",".join(each for each in wanted if each in offered) or "types that it has"
    return failed(
        f"{patient.stack.region} has no {', '.join(missing)}: AWS Batch refuses to make the compute environment",
        mend=f"lambent deploy --parameter GpuInstanceTypes={left}",
    )


def _offerings(patient: Patient, wanted: list[str]) -> list[dict[str, Any]]:
    with telling_aws_errors():
        pages = patient.client("ec2").get_paginator("describe_instance_type_offerings")
        filters = [{"Name": "instance-type", "Values": wanted}]
        found = pages.paginate(LocationType="availability-zone", Filters=filters)
        return [each for page in found for each in page["InstanceTypeOfferings"]]


@check(
    "gpu-zones",
    group=GROUP,
    aws_only=_NO_INSTANCES,
    needs=(a_gpu_lane,),
    asks="Do the lane's subnets lie in zones that offer a GPU?",
)
def _gpu_zones(patient: Patient) -> Finding:
    with telling_aws_errors():
        environments = patient.client("batch").describe_compute_environments(
            computeEnvironments=[patient.stack.resources["BatchComputeEnvironment"]]
        )["computeEnvironments"]
        subnets = environments[0]["computeResources"]["subnets"]
        zones = {
            each["AvailabilityZone"] for each in patient.client("ec2").describe_subnets(SubnetIds=subnets)["Subnets"]
        }
    offering = {each["Location"] for each in _offerings(patient, patient.parameters["GpuInstanceTypes"].split(","))}
    if zones & offering:
        told = ", ".join(sorted(zones & offering))
        return ok(f"{len(zones & offering)} of the lane's {len(zones)} zones offer a GPU: {told}")
    return failed(
        f"no zone of the lane ({', '.join(sorted(zones))}) offers its instance types; these do: "
        f"{', '.join(sorted(offering)) or 'none'}",
        mend="give it subnets there: lambent deploy --parameter VpcId=… --parameter SubnetIds=…",
    )


@check("clock", group=GROUP, asks="Is this machine's clock near enough to AWS's for signatures to be taken?")
def _clock(patient: Patient) -> Finding:
    # Not at the function that predicts, whose first answer is still to be seen.
    answer = patient.stranger.get("/docs")
    if "date" not in answer.headers:
        return Finding(*_NO_DATE)
    skew_s = patient.epoch_s() - parsedate_to_datetime(answer.headers["date"]).timestamp()
    if abs(skew_s) <= _MOST_SKEW_S:
        return ok(f"this clock is within {max(1, round(abs(skew_s)))} s of the stack's")
    return failed(
        f"this clock is {skew_s:+.0f} s off; AWS refuses signatures of clocks that are 300 s off",
        mend="set it by NTP, e.g. timedatectl set-ntp true",
    )


_NO_DATE = (Status.UNKNOWN, "the stack's answer has no Date", "look whether a proxy stands before it")
