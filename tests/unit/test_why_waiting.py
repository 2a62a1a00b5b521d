"""Why a job is not running: in words, from what queues and AWS Batch say."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from job_steps import ready, shower
from moto import mock_aws

from builders import TENANT, World, create_table
from lambent.adapters.batch_lane import BatchLane
from lambent.adapters.dynamodb_blocks import DynamoBlockStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.sqs import SqsQueue
from lambent.domain.job import JobKind, ShardProgress
from lambent.domain.job_states import JobState
from lambent.domain.timestamps import to_timestamp
from lambent.domain.waiting import (
    ComputeEnvironment,
    LaneCondition,
    QueueBlock,
    QueueDepth,
    WaitCode,
    in_cpu_lane,
    in_gpu_lane,
    not_planned,
    scrubbed,
)
from lambent.errors import Unavailable
from lambent_toolkit.fakes import FakeBlockStore, FakeLaneWatch, FakeQueue

GOOD = ComputeEnvironment("ENABLED", "VALID", "ComputeEnvironment Healthy", desired_vcpus=0, max_vcpus=64)
NEXT = LaneCondition(
    status="RUNNABLE",
    reason="",
    container_reason="",
    jobs_ahead=0,
    is_at_least=False,
    queue_state="ENABLED",
    queue_status="VALID",
    queue_reason="JobQueue Healthy",
    environments=(GOOD,),
)
QUOTA = "CLIENT_ERROR - VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 8"


def lane(**changes: Any) -> tuple[WaitCode, str]:
    told = in_gpu_lane(replace(NEXT, **changes))
    return told.code, told.detail


def environment(**changes: Any) -> tuple[ComputeEnvironment]:
    return (replace(GOOD, **changes),)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({}, "host_starting", "next in the GPU lane; a host for it starts, which takes minutes"),
        ({"status": "RUNNING"}, "starting", "load the model"),
        ({"status": "STARTING"}, "container_starting", "pulls the worker's image"),
        ({"jobs_ahead": 1}, "behind_jobs", "1 job ahead of it"),
        ({"jobs_ahead": 200, "is_at_least": True}, "behind_jobs", "at least 200 jobs ahead of it"),
        ({"environments": environment(desired_vcpus=64), "jobs_ahead": 3}, "vcpus_in_use", "All 64 vCPUs .* 3 jobs"),
        ({"environments": environment(state="DISABLED")}, "compute_off", "compute environment is disabled"),
        ({"environments": ()}, "compute_off", "has no compute environment"),
        ({"environments": environment(status="INVALID", reason="CLIENT_ERROR - no")}, "compute_invalid", "is invalid"),
        ({"environments": environment(status="INVALID", reason=QUOTA)}, "quota_reached", "EC2 quota is reached"),
        ({"reason": QUOTA}, "quota_reached", "current vCPU limit of 8"),
        ({"queue_state": "DISABLED"}, "job_queue_off", "job queue is disabled"),
        ({"queue_status": "INVALID", "queue_reason": "no role"}, "job_queue_off", "AWS says: no role"),
        (
            {"reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill [g5.xlarge]"},
            "no_capacity",
            r"tried again .* \[g5.xlarge\]",
        ),
        (
            {"reason": "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) cannot meet the CPU requirement"},
            "misconfigured",
            "an operator must change it",
        ),
        (
            {"container_reason": "CannotPullContainerError: 123456789012.dkr.ecr.eu.amazonaws.com/w:1: not found"},
            "image_missing",
            r"WorkerImageUri. AWS says: CannotPullContainerError: \(the worker's image\) not found",
        ),
        ({"blocked_by": "UNDETERMINED - root cause is undetermined", "jobs_ahead": 1}, "queue_blocked", "UNDETERMINED"),
        ({"status": "SUCCEEDED"}, "ending", "results are being collected"),
    ],
)
def test_each_condition_of_the_gpu_lane_has_its_code_and_words(changes: dict, code: str, words: str) -> None:
    found, detail = lane(**changes)

    assert (found, bool(re.search(words, detail))) == (code, True), detail


def test_a_second_compute_environment_that_is_well_is_enough() -> None:
    off = replace(GOOD, state="DISABLED")

    assert lane(environments=(off, GOOD))[0] == "host_starting"


def test_a_job_that_aws_batch_has_forgotten_is_ending() -> None:
    assert in_gpu_lane(None).code == "ending"


def test_what_aws_says_is_told_without_names_of_resources_and_accounts() -> None:
    said = (
        "CLIENT_ERROR - User: arn:aws:sts::123456789012:assumed-role/r is not\n authorized on i-0123456789abcdef0 of "
        "123456789012 for 123456789012.dkr.ecr.eu-west-1.amazonaws.com/worker:1 "
    )

    told = scrubbed(said + "x" * 300)

    assert told.startswith("CLIENT_ERROR - User: (a resource) is not authorized on (an instance) of (an account) for")
    assert "1234" not in told
    assert len(told) == 240


def test_words_of_the_cpu_lane_count_what_waits() -> None:
    assert in_cpu_lane(QueueDepth(12, 3), concurrency=10).code == "behind_messages"
    assert (
        "about 12 messages waiting, its own among them, and 3" in in_cpu_lane(QueueDepth(12, 3), concurrency=9).detail
    )
    assert in_cpu_lane(QueueDepth(12, 10), concurrency=10).code == "lane_full"
    assert in_cpu_lane(QueueDepth(0, 6), concurrency=10).code == "starting"
    assert "the sweep sends it again" in in_cpu_lane(QueueDepth(0, 0), concurrency=10).detail
    assert "about 7 requests in the queue" in not_planned(QueueDepth(7, 2)).detail
    assert "about to be planned" in not_planned(QueueDepth(1, 0)).detail


def planned(world: World, **fields: Any) -> None:
    key = (TENANT, "job-1")
    world.jobs.jobs[key] = replace(world.jobs.jobs[key], **fields)


def why(world: World, **options: Any) -> str | None:
    waiting = shower(world, **options).show(TENANT, "job-1").waiting
    return waiting.code if waiting is not None else None


def test_a_job_is_asked_about_where_it_is() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    batch_job_id = world.jobs.get(TENANT, "job-1").batch_job_id
    watch = FakeLaneWatch({batch_job_id: replace(NEXT, jobs_ahead=2)})

    assert why(world, lane=watch) == "behind_jobs"
    assert why(world, lane=None) == "no_gpu_lane"
    planned(world, batch_job_id=None)
    assert why(world, lane=watch) == "not_submitted"
    planned(world, lane="cpu")
    assert why(world, lane=watch) == "behind_messages"
    planned(world, state=JobState.QUEUED)
    assert why(world, lane=watch, batches=FakeQueue([(b"", {})] * 5)) == "not_planned"
    planned(world, kind=JobKind.CALL)
    assert why(world) == "behind_messages"


def test_a_job_that_runs_or_has_ended_does_not_wait_and_one_whose_shards_are_silent_does() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    now, long_ago = (to_timestamp(world.clock.epoch_s() - before_s) for before_s in (1, 300))

    planned(world, state=JobState.RUNNING, progress=(ShardProgress(0, 1, 0, False, now),))
    assert why(world) is None
    planned(world, progress=(ShardProgress(0, 1, 0, False, long_ago),))
    assert why(world) == "behind_messages"
    planned(world, state=JobState.CANCELLED)
    assert why(world) is None


def test_a_reason_that_aws_does_not_tell_hides_no_progress() -> None:
    class Silent(FakeQueue):
        def depth(self) -> QueueDepth:
            raise Unavailable("The queue did not answer.")

    world = ready()
    world.dispatch(lane="cpu")
    planned(world, state=JobState.QUEUED)

    shown = shower(world, batches=Silent()).show(TENANT, "job-1")

    assert (shown.waiting.code, shown.total) == ("not_known", 5)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.fixture(params=["fake", "adapter"])
def blocks(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeBlockStore()
    request.getfixturevalue("aws")
    create_table("table")
    return DynamoBlockStore(DynamoTable(boto3.client("dynamodb"), "table"))


def test_the_latest_block_is_remembered_in_whatever_order_they_are_told(blocks) -> None:
    assert blocks.latest() is None

    late = QueueBlock("b", "2026-11-27T09:00:00Z", "CAPACITY:x")
    for block in (
        QueueBlock("a", "2026-11-27T08:00:00Z", "old"),
        late,
        QueueBlock("c", "2026-11-27T08:30:00Z", "older"),
    ):
        blocks.record(block, expires_at_s=2_000_000_000)

    assert blocks.latest() == late


def test_a_queue_tells_how_full_it_is(aws: None) -> None:
    sqs = boto3.client("sqs")
    queue = SqsQueue(sqs, sqs.create_queue(QueueName="q")["QueueUrl"])
    queue.send_all([b"1", b"2", b"3"])
    sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="q")["QueueUrl"], MaxNumberOfMessages=1)

    assert queue.depth() == QueueDepth(2, 1)


@pytest.fixture
def batch() -> Iterator[tuple[BatchLane, Stubber]]:
    client = boto3.client("batch", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield BatchLane(lambda: client, job_queue="queue"), stubber
        stubber.assert_no_pending_responses()


def detail(job_id: str, status: str, created_at: int, **more: Any) -> dict[str, Any]:
    required = {"jobName": "n", "jobQueue": "queue", "startedAt": 0, "jobDefinition": "d"}
    return {"jobId": job_id, "status": status, "createdAt": created_at, **required, **more}


def summaries(*jobs: tuple[str, int]) -> dict[str, Any]:
    return {"jobSummaryList": [{"jobId": job_id, "jobName": "n", "createdAt": at} for job_id, at in jobs]}


def add_lane(stubber: Stubber) -> None:
    environments = [{"order": 2, "computeEnvironment": "arn:b"}, {"order": 1, "computeEnvironment": "arn:a"}]
    queue = {
        "jobQueueName": "queue", "jobQueueArn": "arn:q", "state": "ENABLED", "status": "VALID", "priority": 1,
        "statusReason": "JobQueue Healthy", "computeEnvironmentOrder": environments,
    }  # fmt: skip
    stubber.add_response("describe_job_queues", {"jobQueues": [queue]}, {"jobQueues": ["queue"]})
    described = [
        {
            "computeEnvironmentName": name, "computeEnvironmentArn": f"arn:{name}", "ecsClusterArn": "c",
            "state": "ENABLED", "status": "VALID",
            "computeResources": {"type": "SPOT", "maxvCpus": 64, "desiredvCpus": 4, "subnets": [],
                                 "instanceRole": "r", "minvCpus": 0},
        }
        for name in ("b", "a")
    ]  # fmt: skip
    stubber.add_response("describe_compute_environments", {"computeEnvironments": described},
                         {"computeEnvironments": ["arn:a", "arn:b"]})  # fmt: skip


def test_an_array_tells_by_a_child_that_waits_and_older_jobs_are_counted(batch) -> None:
    watch, stubber = batch
    array = {"arrayProperties": {"size": 3, "statusSummary": {"RUNNABLE": 2, "SUCCEEDED": 1}}}
    attempts = [{"container": {"reason": "CannotPullContainerError: no"}}]
    stubber.add_response("describe_jobs", {"jobs": [detail("me", "PENDING", 50, **array)]}, {"jobs": ["me"]})
    stubber.add_response(
        "list_jobs", summaries(("me:1", 50)), {"arrayJobId": "me", "jobStatus": "RUNNABLE", "maxResults": 1}
    )
    stubber.add_response(
        "describe_jobs", {"jobs": [detail("me:1", "RUNNABLE", 50, attempts=attempts, statusReason="CAPACITY:x")]}
    )
    stubber.add_response("list_jobs", summaries(("old", 10), ("me", 50), ("new", 90)))
    stubber.add_response("list_jobs", summaries(("old-2", 20)))
    add_lane(stubber)

    found = watch.condition("me", block=None)

    assert (found.status, found.reason, found.container_reason) == (
        "RUNNABLE", "CAPACITY:x", "CannotPullContainerError: no",
    )  # fmt: skip
    assert (found.jobs_ahead, found.is_at_least, found.blocked_by) == (2, False, None)
    assert [(each.desired_vcpus, each.max_vcpus) for each in found.environments] == [(4, 64), (4, 64)]


def test_an_array_of_which_children_run_is_not_told_by_those_that_wait(batch) -> None:
    watch, stubber = batch
    array = {"arrayProperties": {"size": 3, "statusSummary": {"RUNNABLE": 2, "RUNNING": 1}}}
    stubber.add_response("describe_jobs", {"jobs": [detail("me", "PENDING", 50, **array)]})
    for _ in range(2):
        stubber.add_response("list_jobs", summaries())
    add_lane(stubber)

    assert in_gpu_lane(watch.condition("me", block=None)).code == "starting"


@pytest.mark.parametrize(("status", "blocked_by"), [("RUNNABLE", "told then"), ("FAILED", None)])
def test_a_block_counts_while_the_job_that_blocks_waits_still(batch, status: str, blocked_by: str | None) -> None:
    watch, stubber = batch
    jobs = [detail("me", "RUNNABLE", 50), detail("head", status, 10)]
    stubber.add_response("describe_jobs", {"jobs": jobs}, {"jobs": ["head", "me"]})
    for _ in range(2):
        stubber.add_response("list_jobs", summaries())
    add_lane(stubber)

    found = watch.condition("me", block=QueueBlock("head", "2026-11-27T09:00:00Z", "told then"))

    assert found.blocked_by == blocked_by


def test_a_job_that_is_forgotten_and_a_queue_that_is_gone_are_told(batch) -> None:
    watch, stubber = batch
    stubber.add_response("describe_jobs", {"jobs": []})
    stubber.add_response("describe_jobs", {"jobs": [detail("me", "RUNNABLE", 50)]})
    for _ in range(2):
        stubber.add_response("list_jobs", summaries())
    stubber.add_response("describe_job_queues", {"jobQueues": []})

    assert watch.condition("gone", block=None) is None
    assert in_gpu_lane(watch.condition("me", block=None)).code == "job_queue_off"


def test_an_aws_batch_that_does_not_answer_can_be_asked_again(batch) -> None:
    watch, stubber = batch
    stubber.add_client_error("describe_jobs", "TooManyRequestsException")

    with pytest.raises(Unavailable):
        watch.condition("me", block=None)
