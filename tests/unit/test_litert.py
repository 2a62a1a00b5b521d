"""The interpreter adapter on real, tiny files (tests/fixtures/make_shade.py makes them)."""

from pathlib import Path

import numpy as np
import pytest

from builders import contract, tell_shade
from lambent.adapters.litert import LiteInterpreter, LiteInterpreterLoader, open_signature
from lambent.contracts.model import TensorSpec
from lambent.errors import (
    ModelContractMismatch,
    ModelFormatRefused,
    ModelLoadFailed,
    ModelOperatorUnsupported,
    RequestInvalid,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
FLOAT = FIXTURES / "shade.float32.tflite"
INT8 = FIXTURES / "shade.int8.tflite"
PICTURES = np.random.default_rng(3).random((5, 2, 2, 1), dtype=np.float32)


@pytest.mark.parametrize(("model", "tolerance"), [(FLOAT, 1e-6), (INT8, 0.02)])
def test_float_and_int8_files_answer_in_real_numbers(model: Path, tolerance: float) -> None:
    interpreter = LiteInterpreterLoader().load(model, contract())

    scores = interpreter.run({"image": PICTURES})["scores"]

    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, tell_shade({"image": PICTURES})["scores"], atol=tolerance)


@pytest.mark.parametrize("model", [FLOAT, INT8])
def test_batches_of_changing_size_give_the_same_answers_as_single_rows(model: Path) -> None:
    interpreter = LiteInterpreterLoader().load(model, contract())

    single = np.concatenate([interpreter.run({"image": PICTURES[row : row + 1]})["scores"] for row in range(5)])
    together = interpreter.run({"image": PICTURES})["scores"]
    again = interpreter.run({"image": PICTURES[:2]})["scores"]

    np.testing.assert_array_equal(single, together)
    np.testing.assert_array_equal(again, together[:2])


def test_answers_stay_as_they_are_when_the_next_call_runs() -> None:
    interpreter = LiteInterpreterLoader().load(FLOAT, contract())
    first = interpreter.run({"image": PICTURES})["scores"]
    kept = first.copy()

    interpreter.run({"image": PICTURES[::-1].copy()})

    np.testing.assert_array_equal(first, kept)


def test_values_beyond_the_quantized_range_are_clipped_not_wrapped() -> None:
    interpreter = LiteInterpreterLoader().load(INT8, contract())

    far = interpreter.run({"image": np.full((1, 2, 2, 1), 1000.0, dtype=np.float32)})["scores"]
    edge = interpreter.run({"image": np.full((1, 2, 2, 1), 1.0, dtype=np.float32)})["scores"]

    np.testing.assert_allclose(far, edge, atol=0.02)


@pytest.mark.parametrize(
    "content", [b"", b"not a model at all", b"PK\x03\x04" + bytes(100), b"\x89HDF\r\n\x1a\n" + bytes(100)]
)
def test_what_is_no_tflite_file_is_refused_before_the_runtime_sees_it(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(content)

    with pytest.raises(ModelFormatRefused):
        LiteInterpreterLoader().load(file, contract())


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": (TensorSpec(name="picture", datatype="FP32", shape=(-1, 2, 2, 1)),)},
        {"outputs": (TensorSpec(name="labels", datatype="FP32", shape=(-1, 2)),)},
        {"inputs": (TensorSpec(name="image", datatype="FP32", shape=(-1, 28, 28, 1)),)},
        {"inputs": (TensorSpec(name="image", datatype="FP32", shape=(-1, 2, 2)),)},
        {"inputs": (TensorSpec(name="image", datatype="INT32", shape=(-1, 2, 2, 1)),)},
    ],
    ids=["input name", "output name", "size", "rank", "datatype"],
)
def test_a_contract_that_is_not_the_files_is_refused(changes: dict) -> None:
    with pytest.raises(ModelContractMismatch):
        LiteInterpreterLoader().load(FLOAT, contract(**changes))


def test_a_file_with_operators_of_tensorflow_itself_says_how_to_convert_it() -> None:
    with pytest.raises(ModelOperatorUnsupported, match="TFLITE_BUILTINS only"):
        open_signature(FIXTURES / "foreign" / "flex.tflite")


def test_a_file_with_two_signatures_is_refused() -> None:
    with pytest.raises(ModelContractMismatch, match="has 2 signatures"):
        open_signature(FIXTURES / "foreign" / "two_signatures.tflite")


class Raising:
    """A runtime that refuses when it is called, in its own words."""

    def __init__(self, words: str) -> None:
        self.words = words

    def invoke(self) -> None:
        raise RuntimeError(self.words)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("gather index out of boundsNode number 2 (GATHER) failed to invoke.", RequestInvalid),
        ("Type 'INT16' is not supported by tile.Node number 113 (TILE) failed to invoke.", ModelLoadFailed),
        (
            "failed to create XNNPACK runtimeNode number 132 (TfLiteXNNPackDelegate) failed to prepare.",
            ModelLoadFailed,
        ),
    ],
)
def test_a_file_that_the_runtime_cannot_run_is_no_fault_of_the_caller(words: str, error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        LiteInterpreter(Raising(words), [], []).run({})

    assert "Node number" not in str(refused.value)
