"""Why a job is not running, in words and as a code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_MOST_CHARACTERS = 240
# What AWS says names resources and accounts, which are nobody's business outside of the stack.
_SECRETS = (
    (re.compile(r"arn:[\w-]*:\S+"), "(a resource)"),
    (re.compile(r"\S*\d{12}\.dkr\.ecr\.\S+"), "(the worker's image)"),
    (re.compile(r"\bi-[0-9a-f]{8,17}\b"), "(an instance)"),
    (re.compile(r"\b\d{12}\b"), "(an account)"),
)
# Codes at the beginning of AWS Batch's reasons: "Jobs stuck in a RUNNABLE status" of its user guide.
_CAPACITY = "CAPACITY:"
_MISCONFIGURATION = "MISCONFIGURATION:"
# ECS's name for an image that is not there, or that the host may not pull.
_NO_IMAGE = "CannotPullContainer"
# EC2's error codes of a reached quota, as compute environments repeat them.
_QUOTA = re.compile(
    r"VcpuLimitExceeded|InstanceLimitExceeded|MaxSpotInstanceCountExceeded|SpotMaxInstances|quota", re.IGNORECASE
)


class WaitCode(StrEnum):
    """The kinds of reasons; part of the interface, for programs."""

    NOT_PLANNED = "not_planned"
    BEHIND_MESSAGES = "behind_messages"
    LANE_FULL = "lane_full"
    STARTING = "starting"
    BEHIND_JOBS = "behind_jobs"
    HOST_STARTING = "host_starting"
    CONTAINER_STARTING = "container_starting"
    VCPUS_IN_USE = "vcpus_in_use"
    QUOTA_REACHED = "quota_reached"
    NO_CAPACITY = "no_capacity"
    MISCONFIGURED = "misconfigured"
    IMAGE_MISSING = "image_missing"
    JOB_QUEUE_OFF = "job_queue_off"
    QUEUE_BLOCKED = "queue_blocked"
    COMPUTE_OFF = "compute_off"
    COMPUTE_INVALID = "compute_invalid"
    NO_GPU_LANE = "no_gpu_lane"
    NOT_SUBMITTED = "not_submitted"
    ENDING = "ending"
    NOT_KNOWN = "not_known"


@dataclass(frozen=True)
class Waiting:
    """One reason."""

    code: WaitCode
    detail: str


@dataclass(frozen=True)
class QueueDepth:
    """About how many messages of a queue wait, and how many are being worked on."""

    waiting: int
    in_flight: int


@dataclass(frozen=True)
class QueueBlock:
    """A job that AWS Batch says blocks its queue, since when, and why."""

    batch_job_id: str
    at: str
    reason: str


@dataclass(frozen=True)
class ComputeEnvironment:
    """Where the GPU lane's hosts come from; vCPUs are None where the service does not say."""

    state: str
    status: str
    reason: str
    desired_vcpus: int | None
    max_vcpus: int | None


@dataclass(frozen=True)
class LaneCondition:
    """What AWS Batch tells of a job that it has, and of the lane.

    status, reason       of the job, of an array's children the one that says most
    container_reason     of its latest attempt
    jobs_ahead           older jobs of the queue that wait too; ``is_at_least`` if not all were counted
    queue_state, queue_status, queue_reason
    environments         in the order in which the queue tries them
    blocked_by           the reason for which the job at the head of the queue blocks it, None if it does not
    """

    status: str
    reason: str
    container_reason: str
    jobs_ahead: int
    is_at_least: bool
    queue_state: str
    queue_status: str
    queue_reason: str
    environments: tuple[ComputeEnvironment, ...]
    blocked_by: str | None = None


def not_planned(depth: QueueDepth) -> Waiting:
    """Return why a batch is QUEUED still."""
    if depth.waiting + depth.in_flight <= 1:
        return Waiting(WaitCode.NOT_PLANNED, "The request is about to be planned.")
    return Waiting(
        WaitCode.NOT_PLANNED,
        f"The request waits to be planned: about {_count(depth.waiting, 'request')} in the queue, this one among them, "
        f"and {depth.in_flight} being planned.",
    )


def in_cpu_lane(depth: QueueDepth, *, concurrency: int) -> Waiting:
    """Return why nothing of a planned job, or of a call, runs on the CPU lane of so many execution environments."""
    if depth.waiting + depth.in_flight == 0:
        return Waiting(
            WaitCode.BEHIND_MESSAGES,
            "The job is about to be sent to the CPU lane; if its message is lost, the sweep sends it again.",
        )
    if depth.waiting == 0:
        return Waiting(
            WaitCode.STARTING,
            f"The CPU lane has taken up all that waited, {_count(depth.in_flight, 'message')}; this job's first items "
            "are on their way.",
        )
    if depth.in_flight >= concurrency:
        return Waiting(
            WaitCode.LANE_FULL,
            f"All {concurrency} places of the CPU lane are taken: {_count(depth.in_flight, 'message')} being worked "
            f"on, about {depth.waiting} waiting. The stack's QueueConcurrency sets how many places there are.",
        )
    return Waiting(
        WaitCode.BEHIND_MESSAGES,
        f"The job waits in the CPU lane's queue: about {_count(depth.waiting, 'message')} waiting, its own among them, "
        f"and {depth.in_flight} being worked on.",
    )


def no_gpu_lane() -> Waiting:
    """Return why a job that was planned for the GPU lane will not run."""
    return Waiting(
        WaitCode.NO_GPU_LANE,
        "The job was planned for the GPU lane, which this stack no longer has. Cancel it and submit it with lane cpu, "
        "or deploy with GpuEnabled=true.",
    )


def not_submitted() -> Waiting:
    """Return why a job of the GPU lane is not known there yet."""
    return Waiting(WaitCode.NOT_SUBMITTED, "The job is planned and about to be handed to AWS Batch.")


def not_known() -> Waiting:
    """Return what is said when AWS does not tell."""
    return Waiting(WaitCode.NOT_KNOWN, "AWS did not tell why at this moment; ask again.")


def in_gpu_lane(condition: LaneCondition | None) -> Waiting:
    """Return why a job of the GPU lane does not run, the worst that is known first.

    Parameters
    ----------
    condition   None if AWS Batch has forgotten the job
    """
    if condition is None or condition.status in ("SUCCEEDED", "FAILED"):
        return Waiting(WaitCode.ENDING, "AWS Batch has ended the job; its results are being collected.")
    reason = f"{condition.reason} {condition.container_reason}".strip()
    if _NO_IMAGE in reason:
        return Waiting(
            WaitCode.IMAGE_MISSING,
            f"The worker's image cannot be pulled: push it, and name it in WorkerImageUri. AWS says: "
            f"{scrubbed(reason)}",
        )
    if condition.status == "RUNNING":
        return Waiting(
            WaitCode.STARTING, "Workers run in the GPU lane and load the model; their first items are on their way."
        )
    if condition.status == "STARTING":
        return Waiting(WaitCode.CONTAINER_STARTING, "A host is there and pulls the worker's image.")
    return _lane_trouble(condition) or _blocked(condition) or _turn(condition)


def _lane_trouble(condition: LaneCondition) -> Waiting | None:
    """Return what is wrong with queue and compute environments, whichever job one asks for."""
    if condition.queue_state != "ENABLED" or condition.queue_status == "INVALID":
        told = f" AWS says: {scrubbed(condition.queue_reason)}" if condition.queue_reason else ""
        return Waiting(
            WaitCode.JOB_QUEUE_OFF,
            f"The GPU lane's job queue is {condition.queue_state.lower()} and {condition.queue_status.lower()}; an "
            f"operator must enable it.{told}",
        )
    if any(each.state == "ENABLED" and each.status in ("VALID", "UPDATING") for each in condition.environments):
        return None
    if not condition.environments:
        return Waiting(WaitCode.COMPUTE_OFF, "The GPU lane's job queue has no compute environment.")
    return _environment_trouble(condition.environments[0])


def _environment_trouble(environment: ComputeEnvironment) -> Waiting:
    told = f" AWS says: {scrubbed(environment.reason)}" if environment.reason else ""
    if _QUOTA.search(environment.reason):
        return Waiting(WaitCode.QUOTA_REACHED, f"The account's EC2 quota is reached; ask AWS to raise it.{told}")
    if environment.state != "ENABLED":
        return Waiting(
            WaitCode.COMPUTE_OFF, f"The GPU lane's compute environment is disabled; an operator must enable it.{told}"
        )
    return Waiting(
        WaitCode.COMPUTE_INVALID,
        f"The GPU lane's compute environment is {environment.status.lower()}, so that no host can start.{told}",
    )


def _blocked(condition: LaneCondition) -> Waiting | None:
    """Return what AWS Batch says of this job, or else of the one that blocks the queue before it."""
    if _QUOTA.search(condition.reason):
        return Waiting(
            WaitCode.QUOTA_REACHED,
            f"The account's EC2 quota is reached; ask AWS to raise it. AWS says: {scrubbed(condition.reason)}",
        )
    if condition.reason.startswith(_CAPACITY):
        return Waiting(
            WaitCode.NO_CAPACITY,
            "EC2 has no instances of the lane's types left at this moment; it is tried again and again. AWS says: "
            f"{scrubbed(condition.reason)}",
        )
    if condition.reason.startswith(_MISCONFIGURATION):
        return Waiting(
            WaitCode.MISCONFIGURED,
            f"The GPU lane cannot hold the worker; an operator must change it. AWS says: {scrubbed(condition.reason)}",
        )
    if condition.blocked_by is not None:
        return Waiting(
            WaitCode.QUEUE_BLOCKED,
            f"The job at the head of the GPU lane's queue cannot start and blocks it. AWS says: "
            f"{scrubbed(condition.blocked_by)}",
        )
    return None


def _turn(condition: LaneCondition) -> Waiting:
    """Return whose turn it is, where nothing is wrong."""
    environment = next((each for each in condition.environments if each.state == "ENABLED"), None)
    ahead = _count(condition.jobs_ahead, "job", is_at_least=condition.is_at_least)
    if environment is not None and _is_used_up(environment):
        return Waiting(
            WaitCode.VCPUS_IN_USE,
            f"All {environment.max_vcpus} vCPUs that the GPU lane may have are in use; {ahead} ahead of this one. The "
            "stack's GpuMaxVcpus sets how many there are.",
        )
    if condition.jobs_ahead:
        return Waiting(WaitCode.BEHIND_JOBS, f"The job waits for its turn in the GPU lane: {ahead} ahead of it.")
    return Waiting(
        WaitCode.HOST_STARTING, "The job is next in the GPU lane; a host for it starts, which takes minutes."
    )


def _is_used_up(environment: ComputeEnvironment) -> bool:
    desired, most = environment.desired_vcpus, environment.max_vcpus
    return desired is not None and most is not None and desired >= most > 0


def _count(number: int, what: str, *, is_at_least: bool = False) -> str:
    return f"{'at least ' if is_at_least else ''}{number} {what}{'' if number == 1 else 's'}"


def scrubbed(reason: str) -> str:
    """Return what AWS says without names of resources, images and accounts, on one line and not too long."""
    shown = " ".join(reason.split())
    for pattern, stand_in in _SECRETS:
        shown = pattern.sub(stand_in, shown)
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[: _MOST_CHARACTERS - 1]}…"
