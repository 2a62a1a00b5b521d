"""What stands between a folder and a version."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from builders import World, contract, golden_vectors, model_files, tell_shade
from foreign_files import keras_archive, layer, sequential, weights
from lambent.contracts.model import (
    Forced,
    Limits,
    ModelContract,
    QualityLimits,
    RawOutputs,
    Regression,
    TensorPreprocessing,
    TensorSpec,
    VersionManifest,
)
from lambent.domain.model import digest
from lambent.services.golden import GoldenVectors
from lambent.services.publish import publish_version
from lambent_toolkit.modelkit import recipe_cache
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import GateClosed, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.gate import Check, check_artifact, open_gate
from lambent_toolkit.modelkit.importing.shortest_lengths import Found
from lambent_toolkit.modelkit.quantization_report import Loss
from lambent_toolkit.modelkit.report import (
    DataFigures,
    Finding,
    Report,
    Source,
    VariantFigures,
    measured_contract_sha256,
)
from lambent_toolkit.modelkit.serving_check import ServingRun

GOLDEN = golden_vectors(contract(), tell_shade)
FILES = {**model_files(GOLDEN), "model.keras": keras_archive(BytesIO()).getvalue()}


def report(*, drop_pt: float = 0.0, model_sha256: str = digest(FILES["model.tflite"]), **changes: object) -> Report:
    measured = VariantFigures(size_bytes=5, sha256=model_sha256, runtime="ai-edge-litert", accuracy=0.95)
    keras = msgspec.structs.replace(measured, sha256=digest(FILES["model.keras"]), runtime="tensorflow")
    told = Report(
        model="shade",
        task="classification",
        model_sha256=model_sha256,
        contract_sha256=measured_contract_sha256(contract()),
        published="int8",
        reference="keras",
        source=Source(kind="recipe", name="shade", sha256="0" * 64, seed=1, epochs=1),
        data=DataFigures(name="shade", train_items=1, validation_items=1, test_items=1, sha256="0" * 64),
        variants={"keras": keras, "int8": measured},
        loss=Loss(value=drop_pt, low=-9.0, high=99.0),
        findings=[],
        resamples=2000,
        bootstrap_seed=1,
        tools={},
    )
    return msgspec.structs.replace(told, **changes)


def artifact(
    told: Report | None = None, declared: ModelContract | None = None, files: dict[str, bytes] = FILES
) -> Artifact:
    return Artifact(declared or contract(), told or report(), files)


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

    assert [check.name for check in checks] == [
        "contract", "serving", "golden", "activation", "keras", "report", "quality", "sense",
    ]  # fmt: skip
    assert failed(checks) == []
    assert open_gate(checks, is_forced=False) == ()


@pytest.mark.parametrize(
    ("drop_pt", "names"), [(1.0, []), (1.0001, ["quality"]), (float("nan"), ["quality"]), (-4.0, [])]
)
def test_a_drop_beyond_the_contract_s_limit_is_stopped(drop_pt: float, names: list[str]) -> None:
    declared = contract(quality=QualityLimits(max_accuracy_drop_pt=1.0))

    assert failed(check_artifact(artifact(report(drop_pt=drop_pt), declared), serve=serving())) == names


@pytest.mark.parametrize(("increase", "names"), [(0.02, []), (0.021, ["quality"]), (-0.1, [])])
def test_a_regression_is_held_to_the_rise_of_its_error(increase: float, names: list[str]) -> None:
    declared = contract(quality=QualityLimits(max_rmse_increase=0.02), postprocessing=Regression())
    told = report(drop_pt=increase, task="regression", contract_sha256=measured_contract_sha256(declared))

    quality = check_artifact(artifact(told, declared), serve=serving())[-2]

    assert ([] if quality.is_passed else [quality.name]) == names
    assert "2 % of the RMSE" in quality.expected


@pytest.mark.parametrize(
    ("activation", "scores", "got"),
    [
        ("none", [[0.25, 0.75], [0.5, 0.5]], None),
        ("none", [[0.9, 0.9], [0.1, 0.2]], None),
        ("none", [[-2.0, 3.0], [1.0, -1.0]], "numbers from -2 to 3"),
        ("softmax", [[-2.0, 3.0], [1.0, -1.0]], None),
        ("softmax", [[0.25, 0.75], [0.5, 0.5]], "probabilities that sum to one already"),
        ("sigmoid", [[0.9, 0.9], [0.1, 0.2]], "scores of 0 to 1 already"),
    ],
)
def test_a_contract_that_scores_twice_or_not_at_all_is_stopped_unless_forced(
    activation: str, scores: list[list[float]], got: str | None
) -> None:
    golden = replace(GOLDEN, outputs={"scores": np.array(scores, np.float32)})
    spec = msgspec.structs.replace(contract().postprocessing, activation=activation)
    declared = contract(postprocessing=spec)
    told = report(contract_sha256=measured_contract_sha256(declared))
    checks = check_artifact(artifact(told, declared, {**FILES, "golden.npz": golden.to_npz()}), serve=serving(golden))

    assert failed(checks) == ([] if got is None else ["activation"])
    if got is not None:
        assert open_gate(checks, is_forced=True) == ("activation",)
        with pytest.raises(GateClosed, match=got):
            open_gate(checks, is_forced=False)


def test_a_report_on_another_file_of_the_same_size_is_noticed() -> None:
    assert failed(check_artifact(artifact(report(model_sha256="1" * 64)), serve=serving())) == ["report"]


def swapped(declared: ModelContract) -> ModelContract:
    """Return a contract whose first two labels have changed places."""
    first, second, *rest = declared.postprocessing.labels
    spec = msgspec.structs.replace(declared.postprocessing, labels=(second, first, *rest))
    return msgspec.structs.replace(declared, postprocessing=spec)


@pytest.mark.parametrize(
    "edited",
    [
        swapped(contract()),
        contract(golden_tolerance=9.0),
        contract(preprocessing=msgspec.structs.replace(contract().preprocessing, resize="nearest")),
    ],
    ids=["labels", "tolerance", "preprocessing"],
)
def test_a_contract_edited_after_it_was_measured_is_noticed(edited: ModelContract) -> None:
    checks = check_artifact(artifact(declared=edited), serve=serving())

    assert failed(checks) == ["report"]
    with pytest.raises(GateClosed, match=r"report on contract\.json [0-9a-f]{12}…, got one on contract\.json"):
        open_gate(checks, is_forced=False)


def test_a_name_that_no_model_may_have_cannot_be_forced() -> None:
    checks = check_artifact(artifact(declared=contract(name="../shade")), serve=serving())

    assert failed(checks) == ["contract"]
    with pytest.raises(GateClosed, match="model name is not allowed"):
        open_gate(checks, is_forced=True)


def test_name_and_limits_are_their_owner_s_to_choose_after_measuring() -> None:
    edited = contract(name="shadow", limits=Limits(max_rows=7), quality=QualityLimits(max_accuracy_drop_pt=3.0))

    assert failed(check_artifact(artifact(declared=edited), serve=serving())) == []


def test_a_model_keras_exchanged_after_it_was_measured_is_noticed(tmp_path: Path) -> None:
    other = keras_archive(tmp_path / "other.keras", weights_body=weights(lambda file: file.create_group("more")))

    checks = check_artifact(artifact(files={**FILES, "model.keras": other.read_bytes()}), serve=serving())

    assert failed(checks) == ["report"]


def test_a_model_keras_with_code_in_it_is_stopped_even_when_forced(tmp_path: Path) -> None:
    other = keras_archive(tmp_path / "other.keras", sequential(layer("Lambda")))

    checks = check_artifact(artifact(files={**FILES, "model.keras": other.read_bytes()}), serve=serving())

    assert failed(checks) == ["keras", "report"]
    with pytest.raises(GateClosed, match="Lambda"):
        open_gate(checks, is_forced=True)


def test_a_model_that_was_never_evaluated_is_published_by_force_only() -> None:
    checks = check_artifact(replace(artifact(), report=None), serve=serving())

    assert failed(checks) == ["report", "quality", "sense"]
    with pytest.raises(GateClosed, match="never evaluated"):
        open_gate(checks, is_forced=False)
    assert open_gate(checks, is_forced=True) == ("report", "quality", "sense")


def test_an_imported_file_that_is_the_model_has_nothing_to_lose() -> None:
    alone = {name: body for name, body in FILES.items() if "keras" not in name}
    checks = check_artifact(artifact(report(reference=None, loss=None), files=alone), serve=serving())

    assert failed(checks) == []
    assert "this file is the model" in checks[-2].got


def test_answers_far_from_the_float_model_s_are_stopped_though_as_many_are_right() -> None:
    apart = {"agreement": 0.61, "score_difference": 0.75}
    told = report()
    told = report(variants=told.variants | {"int8": msgspec.structs.replace(told.measured, **apart)})

    checks = check_artifact(artifact(told), serve=serving())

    assert failed(checks) == ["quality"]
    with pytest.raises(GateClosed, match=r"agreement with the float model 61\.00% < 95\.00%; scores up to 0\.750 from"):
        open_gate(checks, is_forced=False)


def test_what_makes_no_sense_is_stopped_with_its_code_unless_it_is_forced() -> None:
    found = [Finding(code="one_class_answered", text="All items are answered 'dark'.")]

    checks = check_artifact(artifact(report(findings=found)), serve=serving())

    assert failed(checks) == ["sense"]
    with pytest.raises(GateClosed, match="got one_class_answered: All items are answered 'dark'; mend"):
        open_gate(checks, is_forced=False)
    assert open_gate(checks, is_forced=True) == ("sense",)


def test_a_report_of_a_release_that_had_no_baselines_is_to_be_made_again() -> None:
    checks = check_artifact(artifact(report(findings=None)), serve=serving())

    assert failed(checks) == ["sense"]
    assert "lambent evaluate" in checks[-1].remedy


@pytest.mark.parametrize(
    ("limits", "changes", "got"),
    [
        ({"min_accuracy": 0.95}, {}, None),
        ({"min_accuracy": 0.951}, {}, "min_accuracy: accuracy 95.00% < 95.10%"),
        ({"min_accuracy": 0.5}, {"accuracy": float("nan")}, "min_accuracy: accuracy nan%"),
        ({"min_accuracy": 0.5}, {"accuracy": None}, "min_accuracy: raw outputs"),
        ({"max_rmse": 2.5}, {"rmse": 2.5}, None),
        ({"max_rmse": 2.5}, {"rmse": 2.51}, "max_rmse: RMSE 2.51 > 2.5"),
        ({"max_rmse": 2.5}, {}, "max_rmse: raw outputs"),
    ],
)
def test_limits_of_the_answers_themselves_are_held(
    limits: dict[str, float], changes: dict[str, float | None], got: str | None
) -> None:
    told = report(unmeasured="raw outputs" if got and "raw" in got else None)
    measured = {**told.variants, "int8": msgspec.structs.replace(told.measured, **changes)}
    declared = contract(quality=QualityLimits(**limits))

    sense = check_artifact(artifact(msgspec.structs.replace(told, variants=measured), declared), serve=serving())[-1]

    assert sense.is_passed == (got is None)
    assert got is None or got in sense.got


def test_what_cannot_be_measured_passes_and_it_is_said_what_that_means() -> None:
    raw = contract(postprocessing=RawOutputs())
    told = report(
        task="raw",
        unmeasured="raw outputs have no accuracy",
        contract_sha256=measured_contract_sha256(raw),
        loss=Loss(value=0.03, low=0.02, high=0.04),
    )

    checks = check_artifact(artifact(told, raw), serve=serving())
    too_far = check_artifact(
        artifact(msgspec.structs.replace(told, loss=Loss(value=0.11, low=0.1, high=0.2)), raw), serve=serving()
    )

    assert failed(checks) == []
    assert checks[-1].got.startswith(
        "unmeasured: raw outputs have no accuracy; that its answers are right is its owner"
    )
    assert failed(too_far) == ["quality"]
    assert "outputs off by 11.00%" in too_far[-2].got


def test_a_report_that_lost_its_loss_is_stopped() -> None:
    assert failed(check_artifact(artifact(report(loss=None)), serve=serving())) == ["quality"]


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


def of_tensors(golden: GoldenVectors) -> Artifact:
    """Return an artifact of a model that takes tensors, imported and never evaluated."""
    declared = contract(preprocessing=TensorPreprocessing())
    return Artifact(declared, None, {"model.tflite": b"model", "golden.npz": golden.to_npz()})


def test_a_model_that_takes_tensors_is_served_those_of_its_golden_vectors() -> None:
    golden = replace(GOLDEN, raw=[])
    served: list[object] = []

    def serve(*given: object, tensors: dict[str, np.ndarray], **_: object) -> ServingRun:
        served.append((given[2], tensors["image"].tolist()))
        return serving(golden)(*given)

    checks = check_artifact(of_tensors(golden), serve=serve)

    assert served == [([], GOLDEN.tensors["image"].tolist())]
    assert not {"contract", "serving", "golden"} & {*failed(checks)}
    assert "report" in open_gate(checks, is_forced=True)


def test_golden_tensors_that_are_not_the_contract_s_are_not_served_at_all() -> None:
    strange = GoldenVectors([], {"picture": GOLDEN.tensors["image"]}, GOLDEN.outputs)

    checks = check_artifact(of_tensors(strange), serve=lambda *_, **__: pytest.fail("the model was run"))

    assert failed(checks)[:2] == ["contract", "serving"]


def test_golden_vectors_that_cannot_be_read_are_stopped() -> None:
    broken = replace(artifact(), files={**FILES, "golden.npz": b"PK"})

    checks = check_artifact(broken, serve=serving())

    assert failed(checks) == ["contract", "serving"]


def test_all_failed_checks_are_told_at_once_with_the_way_out() -> None:
    checks = check_artifact(artifact(report(drop_pt=45.0, model_sha256="1" * 64)), serve=serving())

    with pytest.raises(GateClosed, match=r"2 of 8 checks failed.*--force") as closed:
        open_gate(checks, is_forced=False)

    assert "drop 45.00 pt" in str(closed.value)
    assert "one on model.tflite 111111111111" in str(closed.value)


def test_what_is_forced_is_named_and_kept_in_the_manifest() -> None:
    names = open_gate(check_artifact(artifact(report(drop_pt=45.0)), serve=serving()), is_forced=True)
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
    monkeypatch.setattr(recipe_cache, "build_recipe", lambda *_: artifact(report(drop_pt=45.0)))
    monkeypatch.setattr(recipe_cache, "check_artifact", lambda made: check_artifact(made, serve=serving()))
    monkeypatch.setattr(recipe_cache, "Publisher", lambda *made, **_: reached.append(made))

    with pytest.raises(GateClosed, match="quality"):
        recipe_cache.publish_recipe(SimpleNamespace(), "digits", cache_dir=Path("cache"))

    assert reached == []


FREE = contract(
    inputs=(TensorSpec(name="series", datatype="FP32", shape=(-1, -1, 2)),),
    preprocessing=TensorPreprocessing(),
    postprocessing=RawOutputs(),
)


def told_lengths(smallest: tuple[int, ...] | None, found: Found) -> Check:
    (series,) = FREE.inputs
    declared = msgspec.structs.replace(FREE, inputs=(msgspec.structs.replace(series, min_shape=smallest),))
    checks = check_artifact(artifact(declared=declared), serve=serving(), find=lambda _model, _contract: found)
    (told,) = [check for check in checks if check.name == "lengths"]
    return told


@pytest.mark.parametrize("smallest", [(1, 5, 2), (1, 9, 2)])
def test_a_contract_that_says_how_short_inputs_may_be_passes(smallest: tuple[int, ...]) -> None:
    assert told_lengths(smallest, Found({"series": (1, 5, 2)})).is_passed


@pytest.mark.parametrize(("smallest", "said"), [(None, "None of series"), ((1, 4, 2), r"\[1, 4, 2\] of series")])
def test_a_contract_that_lets_pass_what_ends_the_process_is_not_published_and_cannot_be_forced(
    smallest: tuple[int, ...] | None, said: str
) -> None:
    check = told_lengths(smallest, Found({"series": (1, 5, 2)}))

    assert not check.is_passed
    with pytest.raises(GateClosed, match=rf"{said}, which is answered from \[1, 5, 2\] on; run `lambent import`"):
        open_gate([check], is_forced=True)


def test_a_model_that_lives_at_no_length_is_not_published_by_its_code() -> None:
    check = told_lengths((1, 5, 2), Found(None, "the process died of SIGSEGV"))

    with pytest.raises(GateClosed, match=r"no length.*SIGSEGV.*\(model_load_failed\)"):
        open_gate([check], is_forced=True)


def test_lengths_of_a_model_of_fixed_shapes_are_not_looked_for() -> None:
    checks = check_artifact(artifact(), serve=serving(), find=None)

    assert "lengths" not in [check.name for check in checks]
