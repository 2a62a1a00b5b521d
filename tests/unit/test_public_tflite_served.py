"""Files for a fixed batch from their first load on, with the real interpreter: golden vectors, rehearsal, rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders import World, contract, golden_vectors, picture
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.adapters.sacrificial_child import ForkedRehearsal
from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, TensorSpec
from lambent.domain.model import LIVE, ModelChoice
from lambent.services.load_model import ModelCache
from lambent.services.predict import PredictService, Timings, predict_items, run_tensors
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label
from patience import PATIENCE_S

PUBLIC = Path(__file__).parents[1] / "fixtures" / "public"
COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200), (90, 90, 0), (0, 0, 0)]


def declared(rows_per_call: int | None, *, side: int, scores: int) -> ModelContract:
    return contract(
        name="public",
        inputs=(TensorSpec(name="picture", datatype="FP32", shape=(-1, side, side, 3)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, scores)),),
        preprocessing=ImagePreprocessing(height=side, width=side, channels=3),
        postprocessing=Classification(labels=tuple(f"label {number}" for number in range(scores))),
        rows_per_call=rows_per_call,
    )


@pytest.mark.parametrize(
    ("file", "rows_per_call", "side", "scores"),
    [("resizable", None, 16, 3), ("batch_in_reshape", 1, 4, 3), ("mixing", 1, 4, 3), ("four_rows", 4, 4, 3)],
)
def test_a_file_for_a_fixed_batch_is_proven_when_it_is_first_loaded_and_answers_several_rows(
    file: str, rows_per_call: int | None, side: int, scores: int
) -> None:
    spec, source = declared(rows_per_call, side=side, scores=scores), PUBLIC / f"{file}.tflite"
    world, loader = World(), LiteInterpreterLoader()
    golden = golden_vectors(spec, loader.load(source, spec).run)
    files = {"model.tflite": source.read_bytes(), "golden.npz": golden.to_npz()}
    record = publish_version(files, spec, store=world.store, registry=world.registry, clock=world.clock)
    set_label("public", LIVE, record.ref.version, registry=world.registry, clock=world.clock)
    rehearsal = ForkedRehearsal(timeout_s=PATIENCE_S, memory_bytes=None)
    models = ModelCache(world.files, loader, world.clock, capacity_bytes=1_000_000, rehearsal=rehearsal)

    model = PredictService(world.resolver(), models).model(ModelChoice("public"), Timings())
    items = [model.preprocessor.prepare(picture(colour, mode="RGB")) for colour in COLOURS]
    together = predict_items(model, items, Timings(), top_k=1)
    alone = [predict_items(model, [item], Timings(), top_k=1)[0] for item in items]
    rows = run_tensors(model, model.preprocessor.collate(items), Timings())["scores"]

    assert [each.label for each in together] == [each.label for each in alone]
    np.testing.assert_allclose([each.score for each in together], [each.score for each in alone], atol=1e-5)
    assert rows.shape == (5, *spec.outputs[0].shape[1:])
    assert len({tuple(row) for row in rows.round(6).tolist()}) > 1
