"""Every kind of .tflite file and signature (tests/fixtures/make_kinds.py makes them)."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from builders import contract
from lambent.adapters.file_tensor import FileTensor
from lambent.adapters.litert import LiteInterpreter, LiteInterpreterLoader
from lambent.contracts.model import RawOutputs, TensorPreprocessing, TensorSpec
from lambent.errors import ModelContractMismatch, RequestInvalid, TensorShapeMismatch

KINDS = Path(__file__).parents[1] / "fixtures/kinds"
ROWS = np.random.default_rng(4).random((5, 4), dtype=np.float32)


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def load(file: str, inputs: list[TensorSpec], outputs: list[TensorSpec]) -> LiteInterpreter:
    declared = contract(
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )
    return LiteInterpreterLoader().load(KINDS / f"{file}.tflite", declared)


def mixer(variant: str, datatype: str = "FP32") -> LiteInterpreter:
    return load(f"mix.{variant}", [spec("x", datatype, -1, 4)], [spec("scores", datatype, -1, 2)])


@pytest.mark.parametrize(
    ("variant", "tolerance"), [("float16", 2e-3), ("dynamic", 0.02), ("int8", 0.05), ("uint8", 0.05), ("int16x8", 0.02)]
)
def test_files_of_every_quantization_answer_real_numbers_near_those_of_float32(variant: str, tolerance: float) -> None:
    expected = mixer("float32").run({"x": ROWS})["scores"]

    scores = mixer(variant).run({"x": ROWS})["scores"]

    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=tolerance)


@pytest.mark.parametrize(("variant", "datatype"), [("int8", "INT8"), ("uint8", "UINT8"), ("int16x8", "INT16")])
def test_a_contract_of_the_files_own_integers_gets_them_unconverted(variant: str, datatype: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_path=str(KINDS / f"mix.{variant}.tflite"))
    runtime.allocate_tensors()
    source, target = runtime.get_input_details()[0], runtime.get_output_details()[0]
    numbers = np.array([[3, 100, 7, 0]], dtype=source["dtype"])
    runtime.set_tensor(source["index"], numbers)
    runtime.invoke()

    answer = mixer(variant, datatype).run({"x": numbers})["scores"]

    np.testing.assert_array_equal(answer, runtime.get_tensor(target["index"]))
    assert answer.dtype == source["dtype"]


def test_pixels_reach_an_int8_file_that_counts_them_from_minus_128() -> None:
    specs = [spec("x", "UINT8", -1, 4)], [spec("scores", "FP32", -1, 2)]
    pixels = np.array([[0, 255, 128, 1], [10, 20, 30, 40]], dtype=np.uint8)

    from_int8 = load("pixels.int8", *specs).run({"x": pixels})["scores"]
    from_uint8 = load("pixels.uint8", *specs).run({"x": pixels})["scores"]

    np.testing.assert_allclose(from_int8, from_uint8, atol=1e-6)
    np.testing.assert_allclose(from_int8[:, 1], pixels.mean(axis=1) / 255, atol=0.01)


def test_pixels_into_an_int8_file_of_another_scale_are_a_mismatch() -> None:
    with pytest.raises(ModelContractMismatch, match="int8 in the file, but UINT8"):
        mixer("int8", "UINT8")


def test_several_inputs_and_outputs_of_several_datatypes_go_by_their_names() -> None:
    interpreter = load(
        "pair",
        [spec("b", "INT32", -1, 2), spec("a", "FP32", -1, 2)],
        [spec("larger", "BOOL", -1, 2), spec("total", "FP32", -1, 2), spec("count", "INT32", -1)],
    )
    a, b = np.array([[0.5, 3.0]], dtype=np.float32), np.array([[1, 2]], dtype=np.int32)

    for rows in (1, 3, 1):
        outputs = interpreter.run({"a": np.repeat(a, rows, axis=0), "b": np.repeat(b, rows, axis=0)})

        assert list(outputs) == ["larger", "total", "count"]
        assert outputs["larger"].tolist() == [[False, True]] * rows
        assert outputs["total"].tolist() == [[1.5, 5.0]] * rows
        assert outputs["count"].tolist() == [3] * rows


def test_lengths_change_from_call_to_call() -> None:
    interpreter = load(
        "length", [spec("ids", "INT32", -1, -1)], [spec("tokens", "FP32", -1, -1, 2), spec("mean", "FP32", -1, 2)]
    )

    for batch, length in ((1, 3), (2, 3), (2, 5), (1, 1), (1, 3)):
        outputs = interpreter.run({"ids": np.full((batch, length), 2, dtype=np.int32)})

        assert outputs["tokens"].shape == (batch, length, 2)
        assert outputs["mean"].tolist() == [[4.0, 5.0]] * batch


def test_half_precision_goes_in_and_out() -> None:
    interpreter = load("half", [spec("x", "FP16", -1, 3)], [spec("y", "FP16", -1, 3, 1)])
    numbers = np.array([[0.5, -1.25, 65504.0]], dtype=np.float16)

    answer = interpreter.run({"x": numbers})["y"]

    assert answer.dtype == np.float16
    np.testing.assert_array_equal(answer[:, :, 0], numbers)


def test_a_value_that_the_model_cannot_compute_is_the_callers_fault_and_the_next_call_works() -> None:
    interpreter = load(
        "length", [spec("ids", "INT32", -1, -1)], [spec("tokens", "FP32", -1, -1, 2), spec("mean", "FP32", -1, 2)]
    )

    with pytest.raises(RequestInvalid, match="token id beyond its vocabulary"):
        interpreter.run({"ids": np.array([[1, 99]], dtype=np.int32)})

    assert interpreter.run({"ids": np.array([[0, 0]], dtype=np.int32)})["mean"].tolist() == [[0.0, 1.0]]


def test_shapes_that_do_not_go_together_are_refused_and_the_next_call_works() -> None:
    interpreter = load(
        "pair",
        [spec("a", "FP32", -1, 2), spec("b", "INT32", -1, 2)],
        [spec("larger", "BOOL", -1, 2), spec("total", "FP32", -1, 2), spec("count", "INT32", -1)],
    )
    a, b = np.zeros((3, 2), dtype=np.float32), np.zeros((2, 2), dtype=np.int32)

    with pytest.raises(TensorShapeMismatch) as refusal:
        interpreter.run({"a": a, "b": b})

    assert refusal.value.got == [[3, 2], [2, 2]]
    assert interpreter.run({"a": a[:2], "b": b})["count"].tolist() == [0, 0]


def test_strings_are_refused_clearly() -> None:
    with pytest.raises(ModelContractMismatch, match="Strings are not served"):
        load("words", [spec("words", "INT32", -1)], [spec("same", "INT32", -1, 1)])


def test_a_fixed_batch_is_served_as_such_and_a_free_one_refused() -> None:
    interpreter = load("fixed", [spec("x", "FP32", 2, 3)], [spec("y", "FP32", 2, 3)])

    assert interpreter.run({"x": np.ones((2, 3), dtype=np.float32)})["y"].sum() == 12.0
    with pytest.raises(ModelContractMismatch, match=r"\[2, 3\] in the file"):
        load("fixed", [spec("x", "FP32", -1, 3)], [spec("y", "FP32", -1, 3)])


def test_a_file_quantized_per_channel_is_refused() -> None:
    details = {
        "index": 0,
        "dtype": np.int8,
        "quantization": (0.5, 0),
        "quantization_parameters": {"scales": np.array([0.5, 0.25])},
    }

    with pytest.raises(ModelContractMismatch, match="per channel"):
        FileTensor(spec("x", "FP32", -1, 2), details)


def quantized(datatype: str, dtype: type, scale: float, zero_point: int) -> FileTensor:
    details = {
        "index": 0,
        "dtype": dtype,
        "quantization": (np.float32(scale), zero_point),
        "quantization_parameters": {"scales": np.array([scale], dtype=np.float32)},
    }
    return FileTensor(spec("x", datatype, -1), details)


@given(
    numbers=hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(-1e6, 1e6, width=32)),
    scale=st.floats(2**-13, 8, width=32),
    zero_point=st.integers(-128, 127),
    dtype=st.sampled_from([np.int8, np.int16]),
)
def test_quantizing_rounds_half_to_even_clips_and_reverses(
    numbers: np.ndarray, scale: float, zero_point: int, dtype: type
) -> None:
    tensor, info = quantized("FP32", dtype, scale, zero_point), np.iinfo(dtype)

    stored = tensor.to_file(numbers).copy()
    back = tensor.from_file(stored)

    expected = np.clip(np.rint(numbers / np.float32(scale)) + zero_point, info.min, info.max).astype(dtype)
    np.testing.assert_array_equal(stored, expected)
    real = ((expected.astype(np.int32) - zero_point) * np.float32(scale)).astype(np.float32)
    np.testing.assert_array_equal(back, real)
    assert back.dtype == np.float32


def test_infinity_becomes_an_end_of_the_range_and_nan_zero_without_a_warning() -> None:
    tensor = quantized("FP32", np.int8, 0.125, 3)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored = tensor.to_file(np.array([np.nan, np.inf, -np.inf, 3e38], dtype=np.float32))

    assert stored.tolist() == [0, 127, -128, 127]
