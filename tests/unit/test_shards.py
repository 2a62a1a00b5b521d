"""Shards into parts, and AWS Batch's events into the state of a job."""

import msgspec
import numpy as np
import pytest
from job_steps import JOB, batch_name, job, ready, track

from builders import TENANT, World, picture, request, tell_shade
from lambent.contracts.lines import decode_lines
from lambent.domain.job_states import JobState
from lambent.errors import ModelIntegrityFailed, SourceGone
from lambent.services.track import BatchStateChange, TrackService


def test_a_gpu_batch_is_one_array_job_with_a_child_a_shard() -> None:
    world = ready()

    world.dispatch(lane="gpu")

    assert world.runner.submitted == {
        name: {"shards": 3, "parameters": {"tenant": "acme", "job_id": "job-1"}} for name in [batch_name(world)]
    }
    assert world.infer_queue.sent == []


def test_an_array_runs_with_its_first_child_and_ends_with_its_parent() -> None:
    world = ready()
    world.dispatch(lane="gpu")

    track(world, "RUNNING", is_child=True)
    running = job(world).state
    for shard in range(3):
        world.shards().run(TENANT, "job-1", shard)
        track(world, "SUCCEEDED", is_child=True)
    before_parent = job(world).state
    track(world, "SUCCEEDED")

    assert (running, before_parent, job(world).state) == (JobState.RUNNING, JobState.RUNNING, JobState.SUCCEEDED)


def test_a_failed_child_costs_only_its_own_items() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    for shard in (0, 2):
        world.shards().run(TENANT, "job-1", shard)

    track(world, "FAILED")

    errors = decode_lines(world.data.objects[f"{JOB}/errors.jsonl"])
    assert [(line["id"], line["code"]) for line in errors] == [("i2", "shard_failed"), ("i3", "shard_failed")]
    assert (job(world).state, job(world).done, job(world).failed) == (JobState.PARTIAL, 3, 2)


def test_events_after_the_end_and_of_unknown_jobs_change_nothing() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    track(world, "FAILED")

    for status in ("RUNNING", "SUCCEEDED", "FAILED"):
        track(world, status)
    TrackService(jobs=world.jobs, finisher=world.finisher, clock=world.clock).apply(
        BatchStateChange("other", "job-1", "batch-x", "FAILED", is_child=False)
    )

    assert job(world).state is JobState.FAILED
    assert len(world.notifier.announced) == 1


def test_a_broken_version_is_the_reason_of_every_item_of_its_shard() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    world.store.objects["shade/1/model.tflite"] = b"tampered"
    shards = world.shards()

    with pytest.raises(ModelIntegrityFailed) as failure:
        shards.run(TENANT, "job-1", 0)
    shards.fail(TENANT, "job-1", 0, failure.value)

    lines = decode_lines(world.data.objects[f"{JOB}/part-00000.jsonl"])
    assert [(line["id"], line["code"]) for line in lines] == [
        ("i0", "model_integrity_failed"),
        ("i1", "model_integrity_failed"),
    ]
    assert job(world).failed == 2


def test_a_shard_that_ran_already_keeps_its_part() -> None:
    world = ready()
    world.dispatch(lane="cpu")
    world.shards().run(TENANT, "job-1", 0)
    part = world.data.objects[f"{JOB}/part-00000.jsonl"]
    world.data.objects[f"inputs/{TENANT}/0.png"] = picture(255)

    world.shards().run(TENANT, "job-1", 0)

    assert world.data.objects[f"{JOB}/part-00000.jsonl"] == part


def test_progress_is_reported_while_a_shard_runs() -> None:
    world = ready(*[picture(0)] * 6)
    seen: list[int] = []
    world.dispatcher(shard_items=6).dispatch(TENANT, msgspec.json.encode(request(lane="cpu")).decode())

    def note(done: int) -> None:
        seen.append(done)
        world.clock.advance(2)

    world.shards(batch_size=2).run(TENANT, "job-1", 0, on_progress=note)

    assert seen == [2, 4, 6]


def test_a_late_worker_cannot_change_the_outcome_of_a_job_that_has_ended() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    world.shards().run(TENANT, "job-1", 0)
    track(world, "FAILED")
    before = dict(world.data.objects)

    world.shards().run(TENANT, "job-1", 1)

    assert {key: body for key, body in world.data.objects.items() if key.startswith(JOB)} == {
        key: body for key, body in before.items() if key.startswith(JOB)
    }


def test_the_end_of_a_batch_job_that_is_not_ours_is_passed_over() -> None:
    world = ready()
    world.dispatch(lane="gpu")
    service = TrackService(jobs=world.jobs, finisher=world.finisher, clock=world.clock)

    service.apply(BatchStateChange(TENANT, "job-1", "another", "FAILED", is_child=False))

    assert job(world).state is JobState.PLANNED


def test_batches_never_hold_more_rows_than_the_contract_allows() -> None:
    world = ready(*[picture(0)] * 10)
    world.dispatcher(shard_items=10).dispatch(TENANT, msgspec.json.encode(request(lane="cpu")).decode())
    rows: list[int] = []

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows.append(len(inputs["image"]))
        return tell_shade(inputs)

    world.loader.answer = answer
    world.shards(batch_size=16).run(TENANT, "job-1", 0)  # the contract's max_rows is 8

    assert (job(world).done, job(world).failed, max(rows)) == (10, 0, 8)


def test_an_item_that_the_model_cannot_answer_fails_alone() -> None:
    world = World()
    world.publish()

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = tell_shade(inputs)
        is_grey = np.isclose(inputs["image"].mean(axis=(1, 2, 3)), 100 / 255, atol=0.01)
        return {"scores": np.where(is_grey[:, None], np.nan, outputs["scores"]).astype(np.float32)}

    world.loader.answer = answer
    world.put_items(picture(0), picture(100), picture(250))
    world.dispatcher(shard_items=3).dispatch(TENANT, msgspec.json.encode(request(lane="cpu")).decode())

    world.shards(batch_size=3).run(TENANT, "job-1", 0)

    lines = decode_lines(world.data.objects[f"{JOB}/part-00000.jsonl"])
    assert [(line["id"], line.get("code")) for line in lines] == [
        ("i0", None),
        ("i1", "model_contract_mismatch"),
        ("i2", None),
    ]


def test_a_shard_that_its_job_does_not_have_is_gone() -> None:
    world = ready()
    world.dispatch(lane="cpu")

    with pytest.raises(SourceGone):
        world.shards().run(TENANT, "job-1", 99)
