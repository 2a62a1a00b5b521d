"""Checks of the GPU lane: its image, its environment, its queue."""

from __future__ import annotations

import re

from botocore.exceptions import ClientError

from lambent_toolkit.doctor.findings import Finding, failed, ok
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import a_gpu_lane, check
from lambent_toolkit.stacks.errors import telling_aws_errors

GROUP = "GPU lane"
_IMAGE = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[^/]+/(?P<name>[^:@]+)(?P<tag>[:@].+)?")


@check(
    "worker-image",
    group=GROUP,
    aws_only="its workers run from this folder",
    needs=(a_gpu_lane,),
    asks="Is the worker's image in the registry, in this Region?",
)
def _worker_image(patient: Patient) -> Finding:
    uri = patient.parameters["WorkerImageUri"]
    found = _IMAGE.fullmatch(uri)
    push = "build it for linux/amd64 and push it: README, Deploy; then lambent deploy --parameter WorkerImageUri=…"
    if found is None:
        return failed(f"{uri!r} is no address of an image in ECR", mend=push)
    if found["region"] != patient.stack.region:
        return failed(f"the image lies in {found['region']}, the stack in {patient.stack.region}", mend=push)
    tag = found["tag"] or ":latest"
    image = {"imageDigest": tag[1:]} if tag.startswith("@") else {"imageTag": tag[1:]}
    try:
        (image_found,) = patient.client("ecr").describe_images(
            registryId=found["account"], repositoryName=found["name"], imageIds=[image]
        )["imageDetails"]
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in ("ImageNotFoundException", "RepositoryNotFoundException"):
            raise
        return failed(f"there is no image {found['name']}{tag}", mend=push)
    size_gb, pushed_at = image_found["imageSizeInBytes"] / 1e9, image_found["imagePushedAt"]
    return ok(f"{found['name']}{tag}, {size_gb:.1f} GB, pushed {pushed_at:%Y-%m-%d}")


@check("compute-environment", group=GROUP, needs=(a_gpu_lane,), asks="Is the compute environment valid and enabled?")
def _compute_environment(patient: Patient) -> Finding:
    with telling_aws_errors():
        (found,) = patient.client("batch").describe_compute_environments(
            computeEnvironments=[patient.stack.resources["BatchComputeEnvironment"]]
        )["computeEnvironments"]
    if (found["status"], found["state"]) == ("VALID", "ENABLED"):
        return ok("valid and enabled")
    return failed(
        f"it is {found['status']} and {found['state']}: {found.get('statusReason', 'without a reason')}",
        mend="mend what the reason says, then lambent deploy",
    )


@check("job-queue", group=GROUP, needs=(a_gpu_lane,), asks="Does the job queue take jobs?")
def _job_queue(patient: Patient) -> Finding:
    with telling_aws_errors():
        (found,) = patient.client("batch").describe_job_queues(jobQueues=[patient.stack.resources["BatchJobQueue"]])[
            "jobQueues"
        ]
    if (found["status"], found["state"]) == ("VALID", "ENABLED"):
        return ok("valid and enabled")
    return failed(
        f"it is {found['status']} and {found['state']}: {found.get('statusReason', 'without a reason')}",
        mend="aws batch update-job-queue --state ENABLED, or lambent deploy",
    )
