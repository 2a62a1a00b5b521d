"""Files as most of the web has them: no signature, a batch that is fixed, several signatures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders import contract
from lambent.adapters.litert import LiteInterpreterLoader, open_signature
from lambent.adapters.tflite_rows import RowsInTurn
from lambent.contracts.model import ModelContract, RawOutputs, TensorPreprocessing, TensorSpec
from lambent.domain.contract_check import check_contract
from lambent.errors import ModelContractMismatch
from tflite_files import edited

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHADE = FIXTURES / "shade.float32.tflite"
TWO = FIXTURES / "foreign" / "two_signatures.tflite"
FIXED = FIXTURES / "kinds" / "fixed.tflite"
PICTURES = np.random.default_rng(3).random((5, 2, 2, 1), dtype=np.float32)


def spec(name: str, *shape: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def tensors(inputs: list[TensorSpec], outputs: list[TensorSpec], **more: object) -> ModelContract:
    return contract(
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
        **more,
    )


def written(folder: Path, body: bytes) -> Path:
    file = folder / "model.tflite"
    file.write_bytes(body)
    return file


def test_a_file_without_a_signature_answers_under_the_contracts_names(tmp_path: Path) -> None:
    file = written(tmp_path, edited(SHADE.read_bytes(), has_signature=False))
    declared = tensors([spec("mine", -1, 2, 2, 1)], [spec("yours", -1, 2)])
    expected = LiteInterpreterLoader().load(SHADE, contract()).run({"image": PICTURES})["scores"]

    answer = LiteInterpreterLoader().load(file, declared).run({"mine": PICTURES})

    np.testing.assert_array_equal(answer["yours"], expected)


def test_without_a_signature_the_order_of_the_contract_is_that_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, edited((FIXTURES / "kinds" / "pair.tflite").read_bytes(), has_signature=False))
    found = open_signature(file)
    names = {"float32": "a", "int32": "b", "bool": "larger"}
    datatypes = {"float32": "FP32", "int32": "INT32", "bool": "BOOL"}
    inputs = [
        spec(f"in_{at}", -1, 2, datatype=datatypes[each["dtype"].__name__]) for at, (_, each) in enumerate(found.inputs)
    ]
    kinds = [np.dtype(each["dtype"]).name for _, each in found.inputs]
    outputs = [
        spec(f"out_{at}", *each["shape_signature"].tolist(), datatype=datatypes[np.dtype(each["dtype"]).name])
        for at, (_, each) in enumerate(found.outputs)
    ]
    given = {"a": np.array([[0.5, 3.0]], np.float32), "b": np.array([[1, 2]], np.int32)}

    interpreter = LiteInterpreterLoader().load(file, tensors(inputs, outputs))
    answer = interpreter.run({each.name: given[names[kind]] for each, kind in zip(inputs, kinds, strict=True)})

    assert not found.is_named
    by_datatype = {np.dtype(array.dtype).name: array.tolist() for array in answer.values()}
    assert by_datatype == {"bool": [[False, True]], "float32": [[1.5, 5.0]], "int32": [3]}


def test_a_contract_of_another_number_of_tensors_is_not_one_of_a_file_without_a_signature(tmp_path: Path) -> None:
    file = written(tmp_path, edited(SHADE.read_bytes(), has_signature=False))
    declared = tensors([spec("image", -1, 2, 2, 1), spec("more", -1, 1)], [spec("scores", -1, 2)])

    with pytest.raises(ModelContractMismatch, match="has 1 inputs, the contract 2"):
        LiteInterpreterLoader().load(file, declared)


@pytest.mark.parametrize("rows_per_call", [None, 1])
def test_a_file_for_one_row_answers_many(tmp_path: Path, rows_per_call: int | None) -> None:
    file = written(tmp_path, edited(SHADE.read_bytes(), has_free_batch=False))
    expected = LiteInterpreterLoader().load(SHADE, contract()).run({"image": PICTURES})["scores"]

    interpreter = LiteInterpreterLoader().load(file, contract(rows_per_call=rows_per_call))

    assert open_signature(file).inputs[0][1]["shape_signature"].tolist() == [1, 2, 2, 1]
    np.testing.assert_allclose(interpreter.run({"image": PICTURES})["scores"], expected, atol=1e-6)
    np.testing.assert_allclose(interpreter.run({"image": PICTURES[4:]})["scores"], expected[4:], atol=1e-6)


def test_a_file_for_one_row_may_be_declared_as_it_is(tmp_path: Path) -> None:
    file = written(tmp_path, edited(SHADE.read_bytes(), has_free_batch=False))

    interpreter = LiteInterpreterLoader().load(file, tensors([spec("image", 1, 2, 2, 1)], [spec("scores", 1, 2)]))

    assert interpreter.run({"image": PICTURES[:1]})["scores"].shape == (1, 2)


def test_rows_that_do_not_fill_the_last_call_are_answered_all_the_same() -> None:
    interpreter = LiteInterpreterLoader().load(FIXED, tensors([spec("x", -1, 3)], [spec("y", -1, 3)], rows_per_call=2))
    rows = np.arange(15, dtype=np.float32).reshape(5, 3)

    for count in (1, 2, 5):
        np.testing.assert_array_equal(interpreter.run({"x": rows[:count]})["y"], rows[:count] * 2)


def test_a_file_of_one_item_without_a_batch_answers_many() -> None:
    declared = tensors([spec("x", -1, 2, 3)], [spec("y", -1, 2, 3)], rows_per_call=1)
    items = np.arange(24, dtype=np.float32).reshape(4, 2, 3)

    answer = LiteInterpreterLoader().load(FIXED, declared).run({"x": items})["y"]

    np.testing.assert_array_equal(answer, items * 2)


@pytest.mark.parametrize("shape", [(-1, 4), (-1, 3, 1), (-1, 3, 3)])
def test_rows_in_turn_need_the_files_own_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelContractMismatch, match=r"\[2, 3\] in the file"):
        LiteInterpreterLoader().load(FIXED, tensors([spec("x", *shape)], [spec("y", *shape)], rows_per_call=1))


class Squeezing:
    """Answers one row, whatever it is given."""

    platform = "fake"

    @property
    def output_steps(self) -> dict[str, float]:
        return {"y": 0.0}

    def run(self, inputs: dict) -> dict:
        return {"y": inputs["x"][:1]}


def test_an_answer_that_has_not_a_row_for_each_is_refused() -> None:
    interpreter = RowsInTurn(Squeezing(), rows_per_call=2, without_batch=frozenset())

    with pytest.raises(ModelContractMismatch, match="1 rows for 2"):
        interpreter.run({"x": np.zeros((2, 1), np.float32)})


def test_rows_per_call_is_for_a_free_batch() -> None:
    with pytest.raises(ModelContractMismatch, match="rows_per_call") as refusal:
        check_contract(tensors([spec("x", 2, 3)], [spec("y", -1, 3)], rows_per_call=2))

    assert refusal.value.field == "x.shape"


def test_one_of_several_signatures_is_chosen_by_its_name() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)

    for name in ("a", "b"):
        declared = tensors([spec("x", -1, 3)], [spec("y", -1, 3)], signature=name)
        interpreter = LiteInterpreterLoader().load(TWO, declared)

        np.testing.assert_array_equal(interpreter.run({"x": rows})["y"], rows * 2)
        np.testing.assert_array_equal(interpreter.run({"x": rows[:1]})["y"], rows[:1] * 2)


@pytest.mark.parametrize(
    ("file", "wanted", "told"),
    [
        (TWO, None, "2 signatures and none is called serving_default: name one of a, b"),
        (TWO, "c", "no signature c; it has a, b"),
        (SHADE, "c", "no signature c; it has serving_default"),
    ],
)
def test_a_signature_that_is_not_there_is_refused_with_those_that_are(file: Path, wanted: str, told: str) -> None:
    with pytest.raises(ModelContractMismatch, match=told):
        LiteInterpreterLoader().load(file, contract(signature=wanted))
