"""A number with its unit, from data to answers: targets are scaled in training as they are wherever it answers."""

from __future__ import annotations

import json
import re

import msgspec
import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from builders import TENANT, World
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.messages import InferMessage
from lambent.contracts.model import Regression
from lambent.domain.call import Call, Operation
from lambent.domain.model import LIVE, ModelChoice
from lambent.services.answer_call import CallService
from lambent.services.predict import PredictService, Timings
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipe import prepare
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.report import Report
from lambent_toolkit.modelkit.workbench import Workbench

pytestmark = [FOREIGN_WARNINGS]
RECIPE = RECIPES["diabetes"].having(epochs=25)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Report]:
    bench = Workbench(tmp_path_factory.mktemp("regression") / "diabetes")
    bench.train(RECIPE)
    bench.quantize(Wish(measured=()))
    report = bench.evaluate()
    return Artifact.read(bench.folder), report


@pytest.fixture(scope="module")
def world(made: tuple[Artifact, Report]) -> World:
    """Return fakes of a stack on which the model is live, run by LiteRT."""
    world, artifact = World(loader=LiteInterpreterLoader()), made[0]
    ref = publish_version(
        artifact.files, artifact.contract, store=world.store, registry=world.registry, clock=world.clock
    ).ref
    set_label(ref.name, LIVE, ref.version, registry=world.registry, clock=world.clock)
    return world


def test_its_error_is_in_the_unit_of_the_targets_and_better_than_guessing(made: tuple[Artifact, Report]) -> None:
    artifact, report = made

    assert artifact.contract.postprocessing == msgspec.structs.replace(
        Regression(unit="points"),
        scale=pytest.approx(77, abs=8),
        offset=pytest.approx(152, abs=8),
    )
    assert report.regression.unit == "points"
    assert 40 < report.regression.rmse.value < 70
    assert report.findings == []
    assert [each.is_beaten for each in report.baselines[:2]] == [True, True]
    assert re.match(r"always 1[45]\d", report.baselines[0].name)
    assert open_gate(check_artifact(artifact), is_forced=False) == ()


def test_the_same_numbers_with_their_unit_come_by_http_and_of_a_batch(world: World) -> None:
    test = prepare(RECIPE).test
    rows, targets = [json.loads(item) for item in test.items[:40]], test.targets[:40]

    service = CallService(PredictService(world.resolver(), world.models(10**9)))
    body = json.dumps({"rows": rows}).encode()
    call = Call(Operation.MEDIA_PREDICT, ModelChoice("diabetes"), body, {"content-type": "application/json"}, {})
    answered = json.loads(service.answer(call, Timings()).body)["predictions"]
    batch = batch_answers(world, rows)

    assert {each["unit"] for each in [*answered, *batch]} == {"points"}
    values = [each["value"] for each in answered]
    assert [each["value"] for each in batch] == pytest.approx(values, abs=1e-4)
    assert np.sqrt(np.mean((np.array(values) - targets) ** 2)) < 0.95 * np.std(targets)
    assert 100 < np.mean(values) < 200


def batch_answers(world: World, rows: list[dict[str, float]]) -> list[dict[str, object]]:
    """Return what a batch of the CPU lane writes of the rows, in their order."""
    key = f"inputs/{TENANT}/patients.jsonl"
    world.data.objects[key] = b"\n".join(
        json.dumps({"id": f"{number:03d}", "row": row}).encode() for number, row in enumerate(rows)
    )
    source = BatchInput(manifest_uri=world.data.uri(key))
    world.dispatch(model="diabetes", input=source, lane="cpu")
    while world.infer_queue.sent:
        message = msgspec.json.decode(world.infer_queue.sent.pop(0)[0], type=InferMessage)
        world.shards(batch_size=8).run(message.tenant, message.job_id, message.shard)
        world.advancer.after_shard(message.tenant, message.job_id, slot=message.slot)
    lines = [
        json.loads(line)
        for name, written in sorted(world.data.objects.items())
        if name.startswith(f"jobs/{TENANT}/job-1/part-")
        for line in written.splitlines()
    ]
    assert len(lines) == len(rows), sorted(world.data.objects)
    return sorted(lines, key=lambda each: each["id"])
