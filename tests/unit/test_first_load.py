"""What a function proves before it serves a version, and what it leaves behind: nothing."""

import errno
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from builders import World, contract, golden_vectors, model_files, picture, tell_shade
from lambent.contracts.model import (
    CategoricalColumn,
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.model import CONTRACT_FILE, MANIFEST_FILE, ModelRef, digest
from lambent.errors import (
    BrokenArtifact,
    ModelContractMismatch,
    ModelFormatRefused,
    ModelIntegrityFailed,
    ModelLoadFailed,
    Unavailable,
)
from lambent.services.ingest import IngestService, Upload
from lambent.services.load_model import REFUSAL_TTL_S
from lambent.services.predict import Timings, predict_items
from lambent.services.publish import publish_version
from lambent_toolkit.fakes import FakeInterpreter, FakeInterpreterLoader


def darker(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Answer as a broken kernel might: a little off."""
    return {"scores": tell_shade(inputs)["scores"] - np.float32(0.05)}


@dataclass
class WatchingLoader(FakeInterpreterLoader):
    """Notes what it was given."""

    contents: list[bytes] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    def load(self, model: Path, contract: ModelContract) -> FakeInterpreter:
        self.contents.append(model.read_bytes())
        self.paths.append(model.resolve())
        return super().load(model, contract)


class RefusingLoader(FakeInterpreterLoader):
    """Refuses every file."""

    def load(self, model: Path, contract: ModelContract) -> FakeInterpreter:
        super().load(model, contract)
        raise ModelLoadFailed("refused")


def publish_files(world: World, files: dict[str, bytes], declared: ModelContract | None = None) -> ModelRef:
    return publish_version(
        files, declared or contract(), store=world.store, registry=world.registry, clock=world.clock
    ).ref


def test_a_version_whose_outputs_are_not_the_golden_ones_here_is_refused() -> None:
    world = World()
    ref = world.publish()
    world.loader.answer = darker

    with pytest.raises(ModelContractMismatch, match="not the golden ones") as refusal:
        world.models().get(ref)

    assert refusal.value.limit == 0.01


def test_the_contract_says_how_far_outputs_may_lie_from_the_golden_ones() -> None:
    world = World()
    ref = world.publish(golden_tolerance=0.06)
    world.loader.answer = darker

    assert world.models().get(ref).ref == ref


def test_a_refused_version_is_not_fetched_again_for_a_while_and_then_tried_again() -> None:
    world = World()
    ref, other = world.publish(), world.publish()
    models = world.models()
    fetched: list[str] = []
    world.store.before_call = lambda _operation, key: fetched.append(key)
    world.loader.answer = darker
    with pytest.raises(ModelContractMismatch) as first:
        models.get(ref)
    fetched.clear()

    with pytest.raises(ModelContractMismatch) as again:
        models.get(ref)

    assert fetched == []
    assert again.value.to_dict() == first.value.to_dict()
    world.loader.answer = tell_shade
    assert models.get(other).ref == other
    world.clock.advance(REFUSAL_TTL_S)
    assert models.get(ref).ref == ref


def test_a_store_that_failed_is_asked_again_at_once() -> None:
    world = World()
    ref = world.publish()
    models = world.models()

    def fail(operation: str, key: str) -> None:
        raise Unavailable("the store is away")

    world.store.before_call = fail
    with pytest.raises(Unavailable):
        models.get(ref)
    world.store.before_call = lambda _operation, _key: None

    assert models.get(ref).ref == ref


def test_the_interpreter_has_run_before_the_first_request_comes() -> None:
    calls: list[int] = []

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(inputs["image"]))
        return tell_shade(inputs)

    world = World(loader=FakeInterpreterLoader(answer))
    ref = world.publish()
    calls.clear()

    world.models().get(ref)

    assert calls == [1, 1]


def test_the_loader_gets_the_verified_file_and_scratch_storage_is_empty_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    loader = WatchingLoader(tell_shade)
    world = World(loader=loader)
    ref = world.publish()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    world.models().get(ref)

    assert loader.contents == [b"tflite"]
    assert str(loader.paths[0]).startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_model_that_grew_in_the_store_is_refused_before_it_is_downloaded() -> None:
    world = World()
    ref = world.publish()
    world.store.objects[ref.key("model.tflite")] += b"x"

    with pytest.raises(ModelIntegrityFailed, match="larger"):
        world.models().get(ref)

    assert world.loader.loads == 0


def test_full_scratch_storage_is_told_and_may_be_tried_again() -> None:
    world = World()
    ref = world.publish()

    def no_room(key: str, file: BinaryIO, *, max_bytes: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    world.store.download = no_room  # type: ignore[method-assign, assignment]

    with pytest.raises(Unavailable, match="ScratchStorage"):
        world.models().get(ref)


def test_room_is_made_before_the_next_model_is_downloaded() -> None:
    world = World()
    first, second = world.publish(), world.publish()
    models = world.models(capacity_bytes=len(b"tflite"))
    models.get(first)
    kept: list[int] = []
    world.store.before_call = lambda _operation, _key: kept.append(len(models._models))

    models.get(second)

    assert kept[-1] == 0


@pytest.mark.parametrize("missing", ["golden.npz", "golden.keras.npz"])
def test_publishing_a_model_file_without_its_golden_vectors_is_refused(missing: str) -> None:
    world = World()
    files = model_files(golden_vectors(contract(), tell_shade))
    del files[missing]

    with pytest.raises(ModelContractMismatch, match=missing):
        publish_files(world, files)

    assert world.store.objects == {}


def test_publishing_golden_vectors_of_other_preprocessing_is_refused() -> None:
    world = World()
    other = contract(preprocessing=ImagePreprocessing(height=2, width=2, channels=1, scale=1.0))

    with pytest.raises(ModelContractMismatch, match="Preprocessing"):
        publish_files(world, model_files(golden_vectors(other, tell_shade)))


def test_publishing_without_a_model_file_is_refused() -> None:
    with pytest.raises(ModelFormatRefused):
        publish_files(World(), {"golden.npz": golden_vectors(contract(), tell_shade).to_npz()})


def test_a_keras_file_is_proven_against_golden_vectors_of_its_own() -> None:
    world = World()
    int8 = golden_vectors(contract(), darker)
    keras = golden_vectors(contract(), tell_shade)
    files = {**model_files(int8), "golden.keras.npz": keras.to_npz()}
    ref = publish_files(world, files)
    world.loader.file = "model.keras"

    assert world.models().get(ref).ref == ref


def test_uploads_are_preprocessed_only_where_preprocessing_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.publish()
    service = IngestService(
        data=world.data,
        grants=world.grants,
        resolver=world.resolver(),
        files=world.files,
        queue=world.infer_queue,
        batches=world.uploaded_batches,
        max_upload_bytes=1000,
    )
    world.data.objects["inbox/acme/shade/a.png"] = picture(200)
    monkeypatch.setattr("lambent.domain.preprocessing.image.scale_pixels", lambda pixels, _spec: pixels * 2.0)

    error = service.ingest(Upload("inbox/acme/shade/a.png", ""))

    assert isinstance(error, BrokenArtifact)
    assert world.infer_queue.sent == []


def test_tables_regressions_and_plain_tensors_are_proven_and_served_alike() -> None:
    price = (TensorSpec(name="price", datatype="FP32", shape=(-1, 1)),)
    columns = (NumericColumn(name="size", mean=50.0, std=10.0), CategoricalColumn(name="kind", vocabulary=("a", "b")))
    house = World(loader=FakeInterpreterLoader(lambda inputs: {"price": inputs["x"].sum(axis=1, keepdims=True)}))
    ref = house.publish(
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
        outputs=price,
        preprocessing=TabularPreprocessing(columns=columns),
        postprocessing=Regression(unit="EUR"),
    )
    doubling = World(loader=FakeInterpreterLoader(lambda inputs: {"price": inputs["x"] * 2}))
    plain = doubling.publish(
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 1)),),
        outputs=price,
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )

    assert house.models().get(ref).contract.postprocessing == Regression(unit="EUR")
    assert doubling.models().get(plain).preprocessor.accepted_media == ()


def test_a_file_that_the_interpreter_refuses_is_refused_as_such() -> None:
    world = World(loader=RefusingLoader(tell_shade))
    ref = world.publish()
    models = world.models()

    for _ in range(3):
        with pytest.raises(ModelLoadFailed):
            models.get(ref)

    assert world.loader.loads == 1


def test_a_text_model_is_proven_with_the_tokenizer_beside_it() -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "good": 1, "day": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    asset = tokenizer.to_str().encode()
    scores = np.eye(2, dtype=np.float32)
    world = World(loader=FakeInterpreterLoader(lambda inputs: {"scores": scores[inputs["ids"][:, 0] - 1]}))
    ref = world.publish(
        assets={"tokenizer.json": asset},
        inputs=(TensorSpec(name="ids", datatype="INT32", shape=(-1, 4)),),
        preprocessing=TextPreprocessing(tokenizer_sha256=sha256(asset).hexdigest(), max_tokens=4, ids_input="ids"),
    )

    served = world.models().get(ref)

    (prediction,) = predict_items(served, [served.preprocessor.prepare("day")], Timings(), top_k=1)
    assert prediction.label == "bright"
    world.store.objects[ref.key("tokenizer.json")] = asset.replace(b"day", b"eve")
    with pytest.raises(ModelIntegrityFailed):
        world.models().get(ref)


@pytest.mark.parametrize("name", [CONTRACT_FILE, MANIFEST_FILE])
def test_a_version_of_a_newer_release_is_refused_as_such_and_no_callers_mistake(name: str) -> None:
    world = World()
    ref = world.publish()
    _rewrite(world, ref, name, schema_version=99)

    with pytest.raises(ModelFormatRefused) as refusal:
        world.models().get(ref)

    assert refusal.value.field == "schema_version"


def _rewrite(world: World, ref: ModelRef, name: str, **changes: object) -> None:
    """Change a published JSON file as another release would have written it, with digests that agree."""
    body = msgspec.json.encode({**msgspec.json.decode(world.store.objects[ref.key(name)]), **changes})
    world.store.objects[ref.key(name)] = body
    manifest = msgspec.json.decode(world.store.objects[ref.key(MANIFEST_FILE)])
    if name != MANIFEST_FILE:
        manifest["files"][name] = {"sha256": digest(body), "size_bytes": len(body)}
        world.store.objects[ref.key(MANIFEST_FILE)] = msgspec.json.encode(manifest)
    sealed = replace(world.registry.records[ref], manifest_sha256=digest(world.store.objects[ref.key(MANIFEST_FILE)]))
    world.registry.records[ref] = sealed
