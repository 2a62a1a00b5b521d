"""Models as zoos and tools publish them, brought in: several rows get the answers that each gets alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract
from lambent.domain.contract_check import check_contract
from lambent.services.golden import GoldenVectors
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.errors import ContractDisagrees, ForeignModelRefused, ServingRefused
from lambent_toolkit.modelkit.float_model import SavedModelFloat
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.serving_check import serve
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from tflite_files import edited, with_metadata, with_packed

pytestmark = [FOREIGN_WARNINGS]
PUBLIC = Path(__file__).parents[1] / "fixtures" / "public"
LABELS = ("a", "b", "c")
ROWS = np.arange(8, dtype=np.float32).reshape(2, 4)
ANSWERS = {
    "serving_default": {"y": (ROWS * 2).tolist()},
    "embed": {"e": (ROWS + 1).tolist(), "n": ROWS.sum(axis=1).tolist()},
}


def alone(file: Path, rows: np.ndarray) -> list[np.ndarray]:
    """Return what LiteRT itself answers to rows, each given alone, or filled up with others to the file's batch."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file))
    interpreter.allocate_tensors()
    [source], outputs = interpreter.get_input_details(), interpreter.get_output_details()
    answers: list[list[np.ndarray]] = [[] for _ in outputs]
    for row in rows:
        batch = np.zeros(source["shape"], np.float32)
        batch.reshape(-1)[: row.size] = row.reshape(-1)
        interpreter.set_tensor(source["index"], stored(batch, source))
        interpreter.invoke()
        for found, each in zip(answers, outputs, strict=True):
            found.append(real(interpreter.get_tensor(each["index"]), each))
    return [np.stack(found) for found in answers]


def stored(numbers: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero_point = details["quantization"]
    return np.round(numbers / scale + zero_point).clip(0, 255).astype(details["dtype"]) if scale else numbers


def real(numbers: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero_point = details["quantization"]
    return (numbers.astype(np.float32) - zero_point) * scale if scale else numbers


@pytest.mark.parametrize(
    ("name", "rows_per_call"),
    [
        ("resizable", None),
        ("quantized", None),
        ("batch_in_reshape", 1),
        ("rest_in_reshape", 1),
        ("mixing", 1),
        ("four_rows", 4),
        ("audio", 1),
        ("detector", 1),
    ],
)
def test_a_file_for_a_fixed_batch_answers_any_number_of_rows_as_each_alone(
    tmp_path: Path, name: str, rows_per_call: int | None
) -> None:
    declared = draft_contract(
        "public", read_model(PUBLIC / f"{name}.tflite").signature, preprocessing="tensor"
    ).contract
    [source] = declared.inputs
    rows = np.random.default_rng(8).random((5, *source.shape[1:]), dtype=np.float32)

    import_model(PUBLIC / f"{name}.tflite", declared, tmp_path / "out")
    kept = msgspec.json.decode((tmp_path / "out" / "contract.json").read_bytes(), type=ModelContract)
    answer = LiteInterpreterLoader().load(tmp_path / "out" / "model.tflite", kept).run({source.name: rows})

    check_contract(kept)
    assert kept.rows_per_call == rows_per_call
    for spec, expected in zip(kept.outputs, alone(PUBLIC / f"{name}.tflite", rows), strict=True):
        got = answer[spec.name].reshape(5, -1)
        np.testing.assert_allclose(got, expected.reshape(5, -1)[:, : got.shape[1]], rtol=1e-5, atol=1e-6)


def without_signature(folder: Path, name: str) -> Path:
    file = folder / "unsigned.tflite"
    file.write_bytes(edited((PUBLIC / f"{name}.tflite").read_bytes(), has_signature=False))
    return file


@pytest.mark.parametrize("name", ["resizable", "quantized", "batch_in_reshape"])
@pytest.mark.parametrize("is_signed", [True, False])
def test_pictures_reach_a_file_for_one_row_and_its_golden_vectors_hold(
    tmp_path: Path, name: str, *, is_signed: bool
) -> None:
    source = PUBLIC / f"{name}.tflite" if is_signed else without_signature(tmp_path, name)
    declared = draft_contract("public", read_model(source).signature, preprocessing="image", labels=LABELS).contract

    import_model(source, declared, tmp_path / "out")
    golden = GoldenVectors.from_npz((tmp_path / "out" / "golden.npz").read_bytes())
    again = serve((tmp_path / "out" / "model.tflite").read_bytes(), declared, golden.raw)

    assert isinstance(declared.postprocessing, Classification)
    [scores] = golden.outputs.values()
    assert len(scores) == len(golden.raw) > 1
    np.testing.assert_allclose(next(iter(again.golden.outputs.values())), scores, atol=1e-6)


def test_a_file_without_a_signature_gets_names_of_its_graph_which_may_be_changed(tmp_path: Path) -> None:
    signature = read_model(PUBLIC / "concrete.tflite").signature
    drafted = draft_contract("public", signature)
    declared = drafted.contract
    renamed = msgspec.structs.replace(
        declared,
        inputs=tuple(msgspec.structs.replace(spec, name=f"my {spec.name}") for spec in declared.inputs),
    )
    crossed = msgspec.structs.replace(declared, inputs=declared.inputs[::-1])

    import_model(PUBLIC / "concrete.tflite", renamed, tmp_path / "out")
    interpreter = LiteInterpreterLoader().load(tmp_path / "out" / "model.tflite", renamed)
    answer = interpreter.run({"my x": ROWS, "my y": ROWS + 1})

    assert [spec.name for spec in declared.inputs + declared.outputs] == ["x", "y", "Identity", "Identity_1"]
    assert any("has no signature" in sentence for sentence in drafted.to_check)
    np.testing.assert_allclose(answer["Identity"], ROWS.sum(axis=1, keepdims=True).repeat(2, axis=1))
    np.testing.assert_allclose(answer["Identity_1"], ROWS * 2 + 1)
    with pytest.raises(ContractDisagrees, match="goes by the order"):
        import_model(PUBLIC / "concrete.tflite", crossed, tmp_path / "other")


def test_labels_and_the_scale_of_pixels_are_those_that_the_file_brings(tmp_path: Path) -> None:
    plain = edited((PUBLIC / "resizable.tflite").read_bytes(), has_signature=False)
    described = with_metadata(plain, mean=[127.5], std=[127.5], label_files=[("labels.txt", "")])
    source = tmp_path / "theirs.tflite"
    source.write_bytes(with_packed(described, labels=b"a\nb\nc\n"))

    declared = draft_contract("public", read_model(source).signature).contract
    import_model(source, declared, tmp_path / "out")

    assert declared.postprocessing == Classification(labels=LABELS)
    assert isinstance(declared.preprocessing, ImagePreprocessing)
    assert (declared.preprocessing.scale, declared.preprocessing.offset) == (1 / 127.5, -1.0)
    assert (tmp_path / "out" / "model.tflite").read_bytes() == source.read_bytes()


def test_a_contract_that_would_resize_what_cannot_be_resized_is_refused(tmp_path: Path) -> None:
    drafted = draft_contract("public", read_model(PUBLIC / "mixing.tflite").signature, labels=LABELS).contract
    declared = msgspec.structs.replace(drafted, rows_per_call=None)

    with pytest.raises(ContractDisagrees, match="rows_per_call: expected 1, got None"):
        import_model(PUBLIC / "mixing.tflite", declared, tmp_path / "out")


def test_what_answers_the_same_row_otherwise_is_refused() -> None:
    with pytest.raises(ForeignModelRefused, match="answers the same input otherwise the second time"):
        read_model(PUBLIC / "random.tflite")


@pytest.mark.parametrize("wanted", [None, "serving_default", "embed"])
def test_the_signature_that_is_named_is_the_one_that_answers(tmp_path: Path, wanted: str | None) -> None:
    declared = draft_contract("two", read_model(PUBLIC / "two.tflite", signature=wanted).signature).contract

    import_model(PUBLIC / "two.tflite", declared, tmp_path / "out")
    answer = LiteInterpreterLoader().load(tmp_path / "out" / "model.tflite", declared).run({"x": ROWS})

    assert declared.signature == wanted
    assert {each: array.tolist() for each, array in answer.items()} == ANSWERS[wanted or "serving_default"]


def test_several_signatures_without_a_default_one_are_told_by_name() -> None:
    with pytest.raises(ServingRefused, match="none is called serving_default: name one of a, b"):
        read_model(PUBLIC / "two_unnamed.tflite")


def test_import_takes_the_name_of_the_signature_where_the_contract_does_not_say_it(tmp_path: Path) -> None:
    source = PUBLIC / "two_unnamed.tflite"
    drafted = draft_contract("two", read_model(source, signature="b").signature).contract

    record = import_model(source, msgspec.structs.replace(drafted, signature=None), tmp_path / "out", signature="b")

    assert record.contract == drafted
    with pytest.raises(ContractDisagrees, match="signature: expected a, got b"):
        import_model(source, drafted, tmp_path / "other", signature="a")


def test_the_commands_take_the_name_of_a_signature(tmp_path: Path) -> None:
    source, contract, out = PUBLIC / "two_unnamed.tflite", tmp_path / "contract.json", tmp_path / "out"

    unnamed = CliRunner().invoke(app, ["contract", "init", str(source), "--out", str(contract)])
    drafted = CliRunner().invoke(app, ["contract", "init", str(source), "--out", str(contract), "--signature", "b"])
    imported = CliRunner().invoke(app, ["import", str(source), "--contract", str(contract), "--out", str(out)])

    assert unnamed.exit_code == ServingRefused.exit_code
    assert (drafted.exit_code, imported.exit_code) == (0, 0), drafted.output + imported.output
    assert "its signature b" in drafted.output
    assert msgspec.json.decode((out / "contract.json").read_bytes(), type=ModelContract).signature == "b"


def test_a_saved_model_is_converted_by_the_signature_that_is_named(tmp_path: Path) -> None:
    with quiet():
        import tensorflow as tf

        class Two(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
            def double(self, x: Any) -> dict[str, Any]:
                return {"y": x * 2.0}

            @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32, name="x")])
            def one(self, x: Any) -> dict[str, Any]:
                return {"e": x + 1.0, "n": tf.reduce_sum(x, axis=1)}

        two = Two()
        tf.saved_model.save(two, tmp_path / "model", signatures={"a": two.double, "b": two.one})
    with pytest.raises(ForeignModelRefused, match="none is called serving_default: name one of a, b"):
        read_model(tmp_path / "model")
    declared = draft_contract("two", read_model(tmp_path / "model", signature="b").signature).contract

    import_model(tmp_path / "model", declared, tmp_path / "out")
    answer = LiteInterpreterLoader().load(tmp_path / "out" / "model.tflite", declared).run({"x": ROWS})
    kept = SavedModelFloat((tmp_path / "out" / "saved_model.zip").read_bytes())
    part = Prepared([b"", b""], np.zeros(2), {"x": ROWS})

    assert declared.signature == "b"
    assert {name: array.tolist() for name, array in answer.items()} == ANSWERS["embed"]
    assert {name: array.tolist() for name, array in kept.outputs(part, declared).items()} == ANSWERS["embed"]


def test_strings_of_a_saved_model_are_told_as_what_they_are(tmp_path: Path) -> None:
    with quiet():
        import tensorflow as tf

        class Odd(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
            def pictures(self, image_bytes: Any) -> dict[str, Any]:
                decoded = tf.map_fn(tf.io.decode_png, image_bytes, fn_output_signature=tf.uint8)
                return {"size": tf.reduce_sum(tf.cast(decoded, tf.float32), axis=[1, 2, 3])}

            @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
            def classes(self, x: Any) -> dict[str, Any]:
                return {"scores": x, "names": tf.strings.as_string(tf.argmax(x, 1))}

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
            def texts(self, texts: Any) -> dict[str, Any]:
                return {"length": tf.strings.length(texts)}

            @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
            def plain(self, x: Any) -> dict[str, Any]:
                return {"scores": x}

        odd = Odd()
        tf.saved_model.save(odd, tmp_path / "pictures", signatures={"serving_default": odd.pictures})
        tf.saved_model.save(odd, tmp_path / "texts", signatures={"serving_default": odd.texts})
        tf.saved_model.save(odd, tmp_path / "names", signatures={"serving_default": odd.classes, "plain": odd.plain})

    told = {}
    for name in ("pictures", "texts", "names"):
        with pytest.raises(ForeignModelRefused) as refused:
            read_model(tmp_path / name)
        told[name] = str(refused.value)

    assert (
        "takes strings as image_bytes. They are encoded pictures, which its graph decodes (DecodePng)"
        in told["pictures"]
    )
    assert "preprocessing text" not in told["pictures"] + told["names"]
    assert "declare preprocessing text instead" in told["texts"]
    assert "answers strings as names. Leave names out of the export" in told["names"]
    assert "--signature plain" in told["names"]
    assert read_model(tmp_path / "names", signature="plain").signature.outputs[0].name == "scores"
