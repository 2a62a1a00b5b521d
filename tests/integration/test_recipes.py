"""Text and table from data to a served version, with Lambda's packages; the models are those of the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from lambent.domain.model import GOLDEN_FILE, LIVE, TFLITE_FILE, ModelChoice
from lambent.domain.preprocessing import make_preprocessor
from lambent.services.golden import GoldenVectors, verify_golden
from lambent.services.load_model import ModelCache, ModelResolver
from lambent.services.predict import PredictService, Timings, predict_items
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label
from lambent.services.version_files import VersionFiles
from lambent_toolkit.fakes import FakeAudit, FakeClock, FakeObjectStore, FakeRegistry
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.calibration import sample, stratified_order
from lambent_toolkit.modelkit.errors import ConversionFailed
from lambent_toolkit.modelkit.quantization import to_tflite
from lambent_toolkit.modelkit.recipe import prepare
from lambent_toolkit.modelkit.recipe_cache import build_recipe, default_cache_dir
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.serving_check import serve
from lambent_toolkit.modelkit.training import from_keras_file, train
from lambent_toolkit.modelkit.variants import VARIANTS, Variant

pytestmark = [FOREIGN_WARNINGS]
RECIPE_NAMES = ("language", "wine")
# What a model must reach on texts and wines that it has not seen; guessing reaches 6 % and 40 %.
MIN_ACCURACY = {"language": 0.85, "wine": 0.93}


@pytest.fixture(scope="module", params=RECIPE_NAMES)
def artifact(request: pytest.FixtureRequest) -> Artifact:
    return build_recipe(request.param, default_cache_dir())


def test_most_unseen_items_are_answered_rightly_by_the_published_file(artifact: Artifact) -> None:
    figures = artifact.report.variants[artifact.report.published]

    assert figures.accuracy >= MIN_ACCURACY[artifact.contract.name]
    assert figures.agreement >= 0.97


def test_layers_packages_make_the_tensors_of_training(artifact: Artifact) -> None:
    split = prepare(RECIPES[artifact.contract.name])

    run = serve(artifact.files[TFLITE_FILE], artifact.contract, split.test.items[:50], assets=artifact.assets)

    assert set(run.golden.tensors) == set(split.test.tensors)
    for name, tensors in run.golden.tensors.items():
        assert np.array_equal(tensors, split.test.tensors[name][:50])


def test_golden_vectors_hold_in_this_environment_within_the_contracts_tolerance(
    artifact: Artifact, tmp_path: Path
) -> None:
    from lambent.adapters.litert import LiteInterpreterLoader

    golden = GoldenVectors.from_npz(artifact.files[GOLDEN_FILE])
    (tmp_path / TFLITE_FILE).write_bytes(artifact.files[TFLITE_FILE])
    interpreter = LiteInterpreterLoader().load(tmp_path / TFLITE_FILE, artifact.contract)
    preprocessor = make_preprocessor(artifact.contract, artifact.assets)

    assert verify_golden(golden, artifact.contract, preprocessor, interpreter) <= artifact.contract.golden_tolerance


def test_published_version_answers_with_labels(artifact: Artifact) -> None:
    from lambent.adapters.litert import LiteInterpreterLoader

    store, registry, clock = FakeObjectStore(), FakeRegistry(), FakeClock()
    ref = publish_version(artifact.files, artifact.contract, store=store, registry=registry, clock=clock).ref
    set_label(ref.name, LIVE, ref.version, registry=registry, clock=clock)
    models = ModelCache(
        VersionFiles(registry, store, FakeAudit()), LiteInterpreterLoader(), clock, capacity_bytes=10**9
    )
    service = PredictService(ModelResolver(registry, clock, label_ttl_s=1.0), models)
    golden = GoldenVectors.from_npz(artifact.files[GOLDEN_FILE])

    model = service.model(ModelChoice(ref.name), Timings())
    answers = predict_items(model, [model.preprocessor.prepare(item) for item in golden.raw], Timings(), top_k=1)

    labels = artifact.contract.postprocessing.labels  # type: ignore[union-attr]
    best = golden.outputs["scores"].argmax(axis=1)
    assert [answer.label for answer in answers] == [labels[index] for index in best]


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_same_seed_gives_the_same_weights(name: str) -> None:
    split = prepare(RECIPES[name])

    first, again = (train(RECIPES[name].having(epochs=1), split).model.get_weights() for _ in range(2))

    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_runs_in_the_serving_interpreter_and_agrees_with_float32(
    variant: Variant, trained_folder: Path
) -> None:
    split = prepare(RECIPES["digits"])
    model = from_keras_file((trained_folder / "model.keras").read_bytes())
    calibration = sample(split.train, stratified_order(split.train.targets)[:300])

    file = to_tflite(model, split.contract, variant=variant, calibration=calibration)
    run = serve(file, split.contract, split.test.items)

    expected = model.predict_on_batch(split.test.tensors["image"])
    agreement = np.mean(run.golden.outputs["scores"].argmax(axis=1) == expected.argmax(axis=1))
    assert agreement >= 0.97
    assert (run.output_step > 0) == (variant in {"int8", "int16x8"})


def test_variant_that_the_converter_cannot_make_is_told_with_what_to_do() -> None:
    artifact = build_recipe("language", default_cache_dir())
    split = prepare(RECIPES["language"])
    calibration = sample(split.train, stratified_order(split.train.targets)[:300])
    model = from_keras_file(artifact.files["model.keras"])

    with pytest.raises(ConversionFailed, match="cannot make a int16x8 file of language: choose another --variant"):
        to_tflite(model, split.contract, variant="int16x8", calibration=calibration)
