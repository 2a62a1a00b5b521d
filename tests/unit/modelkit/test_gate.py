"""What stands between a folder and a version."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from builders import World, contract, golden_vectors, model_files, tell_shade
from lambent.contracts.model import Forced, ModelContract, QualityLimits, VersionManifest
from lambent.services.golden import GoldenVectors
from lambent.services.publish import publish_version
from lambent_toolkit.modelkit import recipe_cache
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import GateClosed, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.gate import Check, check_artifact, open_gate
from lambent_toolkit.modelkit.report import DataFigures, Report, VariantFigures
from lambent_toolkit.modelkit.serving_check import ServingRun

GOLDEN = golden_vectors(contract(), tell_shade)
FILES = model_files(GOLDEN)


def figures(accuracy: float, size_bytes: int) -> VariantFigures:
    return VariantFigures(accuracy=accuracy, agreement=1.0, size_bytes=size_bytes, runtime="ai-edge-litert")


def artifact(*, accuracy: float = 0.95, size_bytes: int = len(FILES["model.tflite"]), **limits: float) -> Artifact:
    declared = contract(quality=QualityLimits(**limits))
    report = Report(
        recipe="shade",
        seed=1,
        epochs=1,
        data=DataFigures(train_items=1, validation_items=1, test_items=1, sha256="0" * 64),
        published="int8",
        variants={"keras": figures(0.95, 5), "int8": figures(accuracy, size_bytes)},
        confusion=[[1, 0], [0, 1]],
        tools={},
    )
    return Artifact(declared, report, FILES)


def serving(golden: GoldenVectors = GOLDEN) -> object:
    def serve(_model: bytes, _contract: ModelContract, _items: list[bytes], **_: object) -> ServingRun:
        return ServingRun(
            golden=golden, output_step=0, load_ms=1, p50_ms=1, p99_ms=1, runtime="fake", versions={}, origins=[]
        )

    return serve


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if not check.is_passed]


def refuse(*_: object, **__: object) -> ServingRun:
    raise ServingRefused("model_operator_unsupported", "Too new.")


def die(*_: object, **__: object) -> ServingRun:
    raise ServingCheckFailed("The serving interpreter ended with status -11.")


def test_a_version_as_evaluated_passes_every_check() -> None:
    checks = check_artifact(artifact(), serve=serving())

    assert [check.name for check in checks] == ["contract", "serving", "golden", "report", "quality"]
    assert failed(checks) == []
    assert open_gate(checks, is_forced=False) == ()


@pytest.mark.parametrize(
    ("accuracy", "names"), [(0.94, []), (0.9399, ["quality"]), (float("nan"), ["quality"]), (0.99, [])]
)
def test_a_drop_beyond_the_contract_s_limit_is_stopped(accuracy: float, names: list[str]) -> None:
    assert failed(check_artifact(artifact(accuracy=accuracy, max_accuracy_drop_pt=1.0), serve=serving())) == names


def test_a_report_on_another_file_is_noticed() -> None:
    assert failed(check_artifact(artifact(size_bytes=1), serve=serving())) == ["report"]


@pytest.mark.parametrize(("serve", "told"), [(refuse, "Too new"), (die, "-11")])
def test_a_file_that_the_serving_interpreter_does_not_take_is_stopped_even_when_forced(
    serve: object, told: str
) -> None:
    checks = check_artifact(artifact(), serve=serve)

    assert failed(checks) == ["serving"]
    with pytest.raises(GateClosed, match=told):
        open_gate(checks, is_forced=True)


def test_an_exchanged_file_s_answers_are_not_the_golden_ones() -> None:
    other = replace(GOLDEN, outputs={"scores": GOLDEN.outputs["scores"] + np.float32(0.5)})

    checks = check_artifact(artifact(), serve=serving(other))

    assert failed(checks) == ["golden"]
    with pytest.raises(GateClosed):
        open_gate(checks, is_forced=True)


def test_other_preprocessing_in_the_serving_interpreter_is_stopped() -> None:
    other = replace(GOLDEN, tensors={"image": GOLDEN.tensors["image"] * np.float32(0.5)})

    assert failed(check_artifact(artifact(), serve=serving(other))) == ["golden"]


def test_golden_vectors_that_cannot_be_read_are_stopped() -> None:
    broken = replace(artifact(), files={**FILES, "golden.npz": b"PK"})

    checks = check_artifact(broken, serve=serving())

    assert failed(checks) == ["contract", "serving"]


def test_all_failed_checks_are_told_at_once_with_the_way_out() -> None:
    checks = check_artifact(artifact(accuracy=0.5, size_bytes=1), serve=serving())

    with pytest.raises(GateClosed, match=r"2 of 5 checks failed.*--force") as closed:
        open_gate(checks, is_forced=False)

    assert "45.00 pt less" in str(closed.value)
    assert "a file of 1 bytes" in str(closed.value)


def test_what_is_forced_is_named_and_kept_in_the_manifest() -> None:
    names = open_gate(check_artifact(artifact(accuracy=0.5), serve=serving()), is_forced=True)
    forced = Forced(by="ada", why="the old one is worse", failed_checks=names)
    world = World()

    ref = publish_version(
        FILES, contract(), store=world.store, registry=world.registry, clock=world.clock, forced=forced
    ).ref

    manifest = msgspec.json.decode(world.store.objects[ref.key("manifest.json")], type=VersionManifest)
    assert manifest.forced == Forced(by="ada", why="the old one is worse", failed_checks=("quality",))
    assert world.models().get(ref).ref == ref


def test_a_recipe_s_model_out_of_the_cache_goes_by_the_gate_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[object] = []
    monkeypatch.setattr(recipe_cache, "build_recipe", lambda *_: artifact(accuracy=0.5))
    monkeypatch.setattr(recipe_cache, "check_artifact", lambda made: check_artifact(made, serve=serving()))
    monkeypatch.setattr(recipe_cache, "Publisher", lambda *made, **_: reached.append(made))

    with pytest.raises(GateClosed, match="quality"):
        recipe_cache.publish_recipe(SimpleNamespace(), "digits", cache_dir=Path("cache"))

    assert reached == []
