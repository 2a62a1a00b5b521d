"""Requests that no row of the table holds: the queue takes 1 MiB, a row 400 KB."""

import base64
import json
import os

import boto3
import msgspec
import pytest
from job_steps import job, ready, run_cpu, sweep
from moto import mock_aws

from builders import TENANT, World, create_table, picture
from lambent.adapters.dynamodb_job_list import DynamoJobCatalogue
from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.contracts.batch_request import BatchRequest
from lambent.domain.job_states import JobState
from lambent.errors import JobIdReused, Misconfigured
from lambent.services.cancel_job import CancelJobService
from lambent.services.keep_request import MAX_BYTES_IN_ROW, whole_request
from lambent.services.retry_job import RetryJobService
from lambent.services.send_job import JobSender
from lambent_toolkit.fakes import FakeQueue

MESSAGE_BYTES = 1 << 20


def message(size_bytes: int, **changes: object) -> str:
    """Return a request of so many bytes, with pictures in it; what is left goes into a text that is no item's."""
    item = base64.b64encode(picture(255)).decode()
    asked = {"schema_version": 1, "id": "job-1", "model": "shade", "lane": "cpu", **changes}
    items = [{"id": f"i{number}", "image": {"b64": item}} for number in range(3)]
    empty = json.dumps({**asked, "input": {"items": [*items, {"id": "large", "image": {"b64": ""}}]}})
    filling = base64.b64encode(os.urandom((size_bytes - len(empty)) // 4 * 3)).decode()
    body = json.dumps({**asked, "input": {"items": [*items, {"id": "large", "image": {"b64": filling}}]}})
    return body + " " * (size_bytes - len(body))


@pytest.mark.parametrize("size_bytes", [1_000, MAX_BYTES_IN_ROW + 4_000, 500_000, MESSAGE_BYTES])
def test_a_request_of_any_size_that_the_queue_takes_is_a_job_with_a_small_row(size_bytes: int) -> None:
    world = ready()

    world.dispatcher().dispatch(TENANT, message(size_bytes))
    run_cpu(world)

    assert (job(world).state, job(world).done, job(world).failed) == (JobState.PARTIAL, 3, 1)
    assert len(job(world).request) <= MAX_BYTES_IN_ROW
    assert (job(world).request_key is None) is (size_bytes < MAX_BYTES_IN_ROW)


def test_a_large_request_that_comes_again_is_the_same_job_and_another_one_is_refused() -> None:
    world = ready()
    first = message(500_000)
    world.dispatcher().dispatch(TENANT, first)
    before = job(world)

    world.dispatcher().dispatch(TENANT, first)
    with pytest.raises(JobIdReused):
        world.dispatcher().dispatch(TENANT, message(500_000))

    assert job(world) == before
    assert whole_request(world.data, before) == first


def test_the_sweep_and_a_client_who_cancels_send_the_whole_request() -> None:
    world, body = accepted()
    batches = FakeQueue()
    sweep(world, batches=batches)
    sender = JobSender(batches=batches, calls=FakeQueue(), data=world.data)
    CancelJobService(jobs=world.jobs, sender=sender, runner=None, clock=world.clock).cancel(TENANT, "job-1")

    assert [sent for sent, _ in batches.sent] == [body.encode()] * 2
    with pytest.raises(Misconfigured):
        JobSender(batches=batches, calls=FakeQueue()).send(job(world))


def accepted() -> tuple[World, str]:
    """Return a world with a large job that was recorded and not planned, and its message."""
    world, body = ready(), message(MESSAGE_BYTES)
    dispatcher = world.dispatcher()
    dispatcher._accept(TENANT, msgspec.json.decode(body, type=BatchRequest), body)
    return world, body


def test_a_large_job_that_failed_before_it_was_planned_is_retried_whole() -> None:
    world = World()
    world.dispatcher().dispatch(TENANT, message(500_000))  # there is no such model yet
    failed = job(world)
    world.publish()

    again = RetryJobService(jobs=world.jobs, submit=world.submitter).retry(TENANT, "job-1")
    (sent, _), *_ = world.batch_queue.sent
    world.dispatcher().dispatch(TENANT, sent.decode())
    run_cpu(world)

    assert failed.state is JobState.FAILED
    assert (world.jobs.get(TENANT, again.job_id).done, len(again.request) < MAX_BYTES_IN_ROW) == (3, True)


def test_what_failed_of_a_large_job_is_retried_by_its_plan() -> None:
    world = ready()
    world.dispatcher().dispatch(TENANT, message(500_000))
    run_cpu(world)

    again = RetryJobService(jobs=world.jobs, submit=world.submitter).retry(TENANT, "job-1")

    assert json.loads(again.request)["input"] == {"failed_of": "job-1"}


def test_the_row_of_a_large_request_fits_into_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-south-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        create_table("table")
        world = ready()
        table = DynamoTable(boto3.client("dynamodb"), "table")
        world.jobs, world.catalogue = DynamoJobStore(table), DynamoJobCatalogue(table)

        world.dispatcher().dispatch(TENANT, message(MESSAGE_BYTES))

        assert (job(world).state, job(world).total) == (JobState.PLANNED, 4)
        assert job(world).request_key in world.data.objects
