"""Batches of models that answer neither labels nor a number, and batches that no item of could be answered."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from job_steps import JOB, job, run_cpu

from builders import TENANT, World, picture, request, tell_shade
from lambent.contracts.batch_request import BatchInput, ManifestItem, OutputOptions
from lambent.contracts.model import RawOutputs, TensorPreprocessing, TensorSpec
from lambent.contracts.parts import decode_part, part_file
from lambent.domain import answer_size
from lambent.domain.job_states import JobState
from lambent.errors import LambentError, ManifestInvalid, MediaTypeUnsupported, OutputNotJson
from lambent.services.check_batch import SubmissionCheck
from lambent.services.submit_job import SubmitService
from lambent_toolkit.fakes import FakeInterpreterLoader

TENSORS = {"preprocessing": TensorPreprocessing(), "inputs": (TensorSpec(name="x", datatype="FP32", shape=(-1, 2)),)}
OUTPUTS = {"postprocessing": RawOutputs()}
TEXT_ITEMS = BatchInput(items=[ManifestItem(id="a", text="x"), ManifestItem(id="b", row={"x": 1})])


def submitter(world: World) -> SubmitService:
    return SubmitService(
        data=world.data,
        jobs=world.jobs,
        queue=world.batch_queue,
        clock=world.clock,
        retention_days=30,
        check=SubmissionCheck(world.resolver(0.0), world.files),
    )


def tell(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return tell_shade(inputs) if "image" in inputs else {"scores": inputs["x"]}


def world_of(**changes: object) -> World:
    world = World(loader=FakeInterpreterLoader(tell))
    world.publish(**changes)
    world.put_items(picture(0), picture(255), b"no picture")
    return world


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("lane", ["cpu", "gpu"])
def test_each_item_s_line_has_the_outputs_by_their_names_on_both_lanes(form: str, lane: str) -> None:
    world, output = world_of(postprocessing=RawOutputs()), OutputOptions(format=form)

    world.dispatch(lane=lane, output=output)
    if lane == "cpu":
        run_cpu(world)
    else:
        for shard in (0, 1):
            world.shards(is_compiled=True).run(TENANT, "job-1", shard)

    lines = [
        line
        for shard in (0, 1)
        for line in decode_part(world.data.objects[f"{JOB}/{part_file(shard, output)}"], output)
    ]
    tensor = {"name": "scores", "datatype": "FP32", "shape": [2]}
    assert [line.get("outputs") for line in lines] == [
        [{**tensor, "data": [1.0, 0.0]}],
        [{**tensor, "data": [0.0, 1.0]}],
        None,
    ]
    assert lines[2]["code"] == "image_format_unsupported"


@pytest.mark.parametrize(
    ("changes", "source", "error"),
    [
        (TENSORS, None, MediaTypeUnsupported),
        (OUTPUTS, None, OutputNotJson),
        ({}, TEXT_ITEMS, ManifestInvalid),
    ],
    ids=["tensors only", "outputs beyond JSON", "items of another kind"],
)
def test_a_batch_that_would_fail_for_every_item_is_refused_when_it_is_submitted_and_by_the_dispatcher_too(
    changes: dict, source: BatchInput | None, error: type[LambentError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_size, "MOST_JSON_NUMBERS", 1)
    world = world_of(**changes)
    asked = request() if source is None else request(input=source)

    with pytest.raises(error):
        submitter(world).submit(TENANT, asked)
    assert world.jobs.get(TENANT, "job-1") is None
    assert world.batch_queue.sent == []

    world.dispatcher().dispatch(TENANT, msgspec.json.encode(asked).decode())
    assert job(world).state is JobState.FAILED
    assert job(world).error["code"] == error.code
    assert world.infer_queue.sent == []
