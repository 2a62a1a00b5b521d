"""Models as Keras and TensorFlow write them, brought in: what comes out serves, what may run code does not come in."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from foreign_files import keras_archive, layer, sequential
from lambent.adapters.keras_archive import check_keras_archive
from lambent.adapters.keras_model import KerasInterpreterLoader
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, TensorSpec
from lambent.domain.keras_config import DANGERS
from lambent.domain.keras_names import CLASSES, FUNCTIONS, LAYERS
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import ModelFormatRefused
from lambent.services.golden import GoldenVectors, verify_golden
from lambent_toolkit.modelkit.errors import (
    ContractDisagrees,
    ForeignModelRefused,
    ModelNotFinite,
    ServingCheckFailed,
    ServingRefused,
)
from lambent_toolkit.modelkit.importing.bring import import_model, imported_declaration
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

FIXTURES = Path(__file__).parents[1] / "fixtures"
LABELS = ("a", "b", "c")
# Classes of keras.layers that nobody saves: bases and wrappers of others.
ABSTRACT = {"Layer", "Wrapper", "MaxNumBoundingBoxes", "ContrastLimitedAdaptiveHistogramEqualization"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the same small classifier in every form, and malicious ones."""
    folder = tmp_path_factory.mktemp("foreign")
    with quiet():
        import keras
        import tensorflow as tf

        inputs = keras.Input((8, 8, 1), name="picture")
        flat = keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(inputs))
        model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="scores")(flat))
        model.save(folder / "shades.keras")
        model.export(folder / "saved", verbose=False)

        class Reader(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
            def read(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
                return {"y": x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)}

        reader = Reader()
        tf.saved_model.save(reader, folder / "reading", signatures={"serving_default": reader.read})
    return folder


def drafted(source: Path) -> ModelContract:
    return draft_contract("shades", read_model(source).signature, labels=LABELS).contract


def verified(folder: Path, model_file: str, golden_file: str) -> float:
    declared = msgspec.json.decode((folder / "contract.json").read_bytes(), type=ModelContract)
    loader = KerasInterpreterLoader() if model_file.endswith(".keras") else LiteInterpreterLoader()
    interpreter = loader.load(folder / model_file, declared)
    golden = GoldenVectors.from_npz((folder / golden_file).read_bytes())
    return verify_golden(golden, declared, make_preprocessor(declared, {}), interpreter)


def test_a_keras_model_comes_in_as_it_is_with_golden_vectors_of_the_gpu_lane(models: Path, tmp_path: Path) -> None:
    declared = drafted(models / "shades.keras")

    record = import_model(models / "shades.keras", declared, tmp_path / "out")

    assert [spec.name for spec in declared.inputs + declared.outputs] == ["picture", "scores"]
    assert (record.kind, record.golden_from, record.is_trusted) == ("keras", "generated", False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.keras", "golden.keras.npz", "contract.json", "card.md", "import.json",
    }  # fmt: skip
    assert verified(tmp_path / "out", "model.keras", "golden.keras.npz") < 1e-6
    assert imported_declaration(tmp_path / "out").contract == declared


def test_a_saved_model_becomes_a_float_tflite_file_that_answers_alike(models: Path, tmp_path: Path) -> None:
    declared = drafted(models / "saved")
    items = []
    for value in range(3):
        Image.new("L", (8, 8), value * 100).save(tmp_path / "item.png")
        items.append((tmp_path / "item.png").read_bytes())

    record = import_model(models / "saved", declared, tmp_path / "out", examples=items)

    assert (record.kind, record.golden_from) == ("saved_model", "examples")
    assert verified(tmp_path / "out", "model.tflite", "golden.npz") < 1e-5
    golden = GoldenVectors.from_npz((tmp_path / "out" / "golden.npz").read_bytes())
    keras = KerasInterpreterLoader().load(models / "shades.keras", declared)
    np.testing.assert_allclose(golden.outputs["output_0"], keras.run(golden.tensors)["output_0"], atol=1e-5)


def test_a_quantized_tflite_file_comes_in_byte_for_byte(tmp_path: Path) -> None:
    source = FIXTURES / "shade.int8.tflite"
    declared = drafted_shade()

    record = import_model(source, declared, tmp_path / "out")

    assert record.kind == "tflite"
    assert (tmp_path / "out" / "model.tflite").read_bytes() == source.read_bytes()
    finished = msgspec.json.decode((tmp_path / "out" / "contract.json").read_bytes(), type=ModelContract)
    assert finished.golden_tolerance >= declared.golden_tolerance
    verified(tmp_path / "out", "model.tflite", "golden.npz")


def drafted_shade() -> ModelContract:
    signature = read_model(FIXTURES / "shade.int8.tflite").signature
    assert signature.quantized
    return draft_contract("shade", signature, labels=("dark", "bright")).contract


def test_what_contradicts_the_model_is_not_imported_and_leaves_nothing(models: Path, tmp_path: Path) -> None:
    declared = ModelContract(
        name="shades",
        inputs=(TensorSpec(name="picture", datatype="FP32", shape=(-1, 9, 9, 1)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 2)),),
        preprocessing=ImagePreprocessing(height=9, width=9, channels=1),
        postprocessing=Classification(labels=("a", "b")),
    )

    with pytest.raises(ContractDisagrees, match="in 3 places"):
        import_model(models / "shades.keras", declared, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_model_that_answers_no_numbers_is_not_imported(tmp_path: Path) -> None:
    with quiet():
        import keras

        inputs = keras.Input((8, 8, 1), name="picture")
        model = keras.Model(inputs, keras.layers.Dense(3, name="scores")(keras.layers.Flatten()(inputs)))
        model.get_layer("scores").kernel.assign(np.full((64, 3), np.nan))
        model.save(tmp_path / "shades.keras")

    with pytest.raises(ModelNotFinite, match=r"shades\.keras answers NaN or infinity as scores"):
        import_model(tmp_path / "shades.keras", drafted(tmp_path / "shades.keras"), tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_folder_with_anything_in_it_is_left_alone(models: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")

    with pytest.raises(ForeignModelRefused, match="not empty"):
        import_model(models / "shades.keras", drafted_shade(), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_saved_model_that_reads_files_is_refused_by_the_operators_name(models: Path) -> None:
    with pytest.raises(ForeignModelRefused, match="ReadFile"):
        read_model(models / "reading")


def test_a_saved_model_with_a_damaged_graph_is_refused(models: Path, tmp_path: Path) -> None:
    whole = (models / "saved" / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ForeignModelRefused, match=r"damaged|exactly one"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "code"), [("flex", "model_operator_unsupported"), ("two_signatures", "model_contract_mismatch")]
)
def test_a_tflite_file_that_lambda_cannot_serve_is_refused_with_its_code(name: str, code: str) -> None:
    with pytest.raises(ServingRefused) as caught:
        read_model(FIXTURES / "foreign" / f"{name}.tflite")

    assert caught.value.code == code


def test_a_damaged_tflite_file_kills_at_most_the_child(tmp_path: Path) -> None:
    whole = (FIXTURES / "shade.float32.tflite").read_bytes()
    model = tmp_path / "model.tflite"

    for damaged in (whole[: len(whole) // 2], whole[:20], whole[:8] + bytes(len(whole) - 8)):
        model.write_bytes(damaged)

        with pytest.raises((ServingRefused, ServingCheckFailed)):
            read_model(model)


def test_trusted_code_runs_once_and_is_in_nothing_that_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "doubling.keras"
    with quiet():
        import keras

        doubling = keras.layers.Lambda(lambda x: x * 2.0, output_shape=(3,))
        keras.Sequential([keras.Input((3,), name="row"), doubling]).save(source)
    with pytest.raises(ForeignModelRefused, match="Lambda"):
        read_model(source)

    read = read_model(source, is_trusted=True)

    assert sorted(read.files) == ["model.tflite", "saved_model.zip"]
    assert read.is_trusted
    (tmp_path / "model.tflite").write_bytes(read.files["model.tflite"])
    declared = draft_contract("doubling", read.signature).contract
    interpreter = LiteInterpreterLoader().load(tmp_path / "model.tflite", declared)
    answer = interpreter.run({"row": np.array([[1, 2, 3]], np.float32)})
    np.testing.assert_allclose(next(iter(answer.values())), [[2, 4, 6]])


def test_the_batch_worker_refuses_code_before_keras_parses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.models, "load_model", lambda *_args, **_named: pytest.fail("Keras was given the file"))
    model = keras_archive(tmp_path / "model", sequential(layer("Lambda")))

    with pytest.raises(ModelFormatRefused, match="Python code"):
        KerasInterpreterLoader().load(model, drafted_shade())


def test_every_layer_of_this_keras_has_been_looked_at() -> None:
    import keras

    found = {
        name
        for name, each in vars(keras.layers).items()
        if inspect.isclass(each) and issubclass(each, keras.layers.Layer) and each.__name__ == name
    }

    assert found - set(DANGERS) - ABSTRACT <= LAYERS
    assert not LAYERS & set(DANGERS)
    assert set(vars(keras.layers)) >= LAYERS


def test_every_other_name_on_the_list_is_keras_own_and_no_operation_of_keras_is_forgotten() -> None:
    from keras.src.ops.operation import Operation

    # Keras knows modules by their public names, and operations by where they are written.
    modules = {name: _module(name) for name in [*CLASSES, *FUNCTIONS]}
    operations = {
        name: {each for each, kind in vars(modules[name]).items() if _is_own(kind, Operation, name)}
        for name in CLASSES
        if name.startswith("keras.src.ops.")
    }

    assert {name: kinds - set(vars(modules[name])) for name, kinds in (*CLASSES.items(), *FUNCTIONS.items())} == {
        name: set() for name in modules
    }
    assert {name: kinds - CLASSES[name] for name, kinds in operations.items()} == {
        name: {"JVP"} if name.endswith("linalg") else set() for name in operations
    }


def _module(name: str) -> Any:
    found: Any = import_module("keras")
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def _is_own(kind: Any, base: type, module: str) -> bool:
    return inspect.isclass(kind) and issubclass(kind, base) and kind.__module__ == module


def test_what_keras_itself_saves_passes(tmp_path: Path) -> None:
    import keras

    ids = keras.Input((8,), dtype="int32", name="ids")
    words = keras.layers.Embedding(5, 4)(ids)
    seen = keras.layers.MultiHeadAttention(2, 4)(words, words)
    both = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(words + seen)
    rows = keras.layers.TimeDistributed(keras.layers.Dense(3, activation=keras.activations.gelu))(both)
    pooled = keras.ops.mean(rows[:, 0:2, :], axis=1) * 2.0
    model = keras.Model(ids, keras.ops.softmax(pooled))
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 100)
    model.compile(keras.optimizers.AdamW(schedule), keras.losses.SparseCategoricalCrossentropy(), ["accuracy"])
    model.save(tmp_path / "words.keras")

    check_keras_archive(tmp_path / "words.keras")


def test_import_json_says_where_a_model_comes_from(models: Path, tmp_path: Path) -> None:
    import_model(models / "shades.keras", drafted(models / "shades.keras"), tmp_path / "out")

    record = json.loads((tmp_path / "out" / "import.json").read_bytes())

    assert record["source"] == "shades.keras"
    assert record["size_bytes"] == (models / "shades.keras").stat().st_size
