"""What was acknowledged is durable, whenever the function that acknowledges is killed; a key is one job."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import msgspec
import pytest
from chance import KEYS, SEED
from killing import Killing
from stored_world import open_world, publish_shade, put_manifest, stored

from builders import TENANT, World
from lambent.contracts.batch_request import BatchInput, BatchSubmission
from lambent.domain.idempotency import job_id_of
from lambent.domain.job import Job
from lambent.domain.timestamps import to_timestamp
from lambent.errors import IdempotencyMismatch, InProgress
from lambent.services.send_job import JobSender
from lambent.services.sweep import SweepService

RACERS = 8
SIGKILL = -9


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with stored() as names:
        world = open_world()
        publish_shade(world)
        put_manifest(world, "items", 3)
        yield names


def submission(world: World, **changes: object) -> BatchSubmission:
    fields = {"input": BatchInput(manifest_uri=world.data.uri(f"inputs/{TENANT}/items.jsonl")), **changes}
    return BatchSubmission(schema_version=1, model="shade", **fields)


def encoded(asked: BatchSubmission) -> str:
    return msgspec.json.encode(asked).decode()


def queued(world: World) -> list[str]:
    """Take all messages off the queue of batches."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="batches")["QueueUrl"]
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def sweep(world: World) -> None:
    """Sweep as the schedule does once the job has shown no sign of life for long enough."""
    late = Later(world.clock, seconds=3_600)
    SweepService(
        jobs=world.jobs,
        sender=JobSender(batches=world.batch_queue, calls=world.infer_queue, data=world.data),
        runner=world.runner,
        finisher=world.finisher,
        clock=late,  # type: ignore[arg-type]
        stuck_after_s=60,
    ).sweep(on_error=_fail)


class Later:
    """A clock that is ahead."""

    def __init__(self, clock, *, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def epoch_s(self) -> float:
        return self._clock.epoch_s() + self._seconds

    def now(self) -> str:
        return to_timestamp(self.epoch_s())


def _fail(job: Job, error: Exception) -> None:
    raise AssertionError(job) from error


def calls_of_a_submission(processes: Killing, asked: str) -> int:
    """Return how many calls of ports a submission makes: the first number at which nobody dies."""
    number = 1
    while processes.submit(asked, f"count-{number}", {"call": number, "when": "before"}) == (SIGKILL, False):
        number += 1
    return number - 1


def test_a_submission_killed_at_every_step_acknowledges_nothing_that_is_not_durable(
    world: World, processes: Killing
) -> None:
    asked = encoded(submission(world))
    calls = calls_of_a_submission(processes, asked)
    queued(world)

    for number in range(1, calls + 1):
        for when in ("before", "after"):
            key = f"{when}-{number}"
            status, acked = processes.submit(asked, key, {"call": number, "when": when})
            assert (status, acked) == (SIGKILL, False)
            job = world.jobs.get(TENANT, job_id_of("POST /jobs", key))
            sent = queued(world)
            if job is not None and not sent:
                sweep(world)
                sent = queued(world)
            # A record is found again and sent; without one the caller heard nothing and asks again.
            assert (job is not None) == any(f'"{job_id_of("POST /jobs", key)}"' in body for body in sent), key
            assert processes.submit(asked, key) == (0, True)
            assert [body for body in queued(world) if f'"{job_id_of("POST /jobs", key)}"' in body], key

    assert calls >= 3  # it ties the key, records the job and sends it


def test_an_acknowledged_job_whose_message_is_lost_is_sent_again_by_the_sweep(world: World, processes: Killing) -> None:
    assert processes.submit(encoded(submission(world)), "acked") == (0, True)
    queued(world)  # the message is gone

    sweep(world)

    assert any(job_id_of("POST /jobs", "acked") in body for body in queued(world))


def test_racers_with_one_key_are_one_job_and_another_body_is_refused(world: World) -> None:
    chance = random.Random(SEED)
    asked, other = submission(world), submission(world, lane="cpu")
    with ThreadPoolExecutor(RACERS) as pool:
        for number in range(KEYS):
            key, barrier = f"race-{SEED}-{number}", threading.Barrier(RACERS)
            jobs = list(pool.map(lambda _: raced(world, asked, key, barrier), range(RACERS)))  # noqa: B023
            assert len({replace(job, updated_at="") for job in jobs}) == 1, (SEED, key)
            with pytest.raises(IdempotencyMismatch):
                world.submitter.submit(TENANT, other, idempotency_key=key)
            assert world.submitter.submit("other", asked_by_other(asked), idempotency_key=key).tenant == "other"
            if chance.random() < 0.1:
                queued(world)


def asked_by_other(asked: BatchSubmission) -> BatchSubmission:
    uri = str(asked.input.manifest_uri).replace(f"/{TENANT}/", "/other/")
    return msgspec.structs.replace(asked, input=BatchInput(manifest_uri=uri))


def raced(world: World, asked: BatchSubmission, key: str, barrier: threading.Barrier) -> Job:
    """Submit at the same time as the others, and again as long as the winner has not recorded its job."""
    barrier.wait()
    while True:
        try:
            return world.submitter.submit(TENANT, asked, idempotency_key=key)
        except InProgress:
            continue
