"""Open Inference Protocol answers."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from builders import contract
from lambent.contracts.model import Regression, TensorPreprocessing, TensorSpec
from lambent.contracts.oip import AnyTensor, InferRequest
from lambent.contracts.oip_answers import OutputChoice, best_classes, choose_outputs, encode_answer
from lambent.contracts.oip_metadata import metadata
from lambent.contracts.tensor_binary import byte_strings
from lambent.errors import OutputNotJson, RequestInvalid, TensorNameUnknown

SCORES = np.array([[0.25, 0.75], [1, 0]], dtype=np.float32)


def choose(**fields: object) -> list[OutputChoice]:
    request = msgspec.convert({"inputs": [], **fields}, InferRequest[AnyTensor])
    return choose_outputs(request, contract())


def encode(array: np.ndarray, **choice: object) -> tuple[dict, bytes]:
    chosen = OutputChoice(**{"name": "scores", "is_binary": False, **choice})
    answer = encode_answer(contract(), version=3, request_id="r1", outputs={"scores": array}, choices=[chosen])
    length = len(answer.body) if answer.json_length is None else answer.json_length
    return json.loads(answer.body[:length]), answer.body[length:]


@pytest.mark.parametrize("outputs", [None, []])
def test_no_outputs_named_means_all(outputs: object) -> None:
    assert choose(outputs=outputs) == [OutputChoice("scores", is_binary=False)]


def test_binary_is_asked_for_the_request_and_the_output_wins() -> None:
    everything = {"parameters": {"binary_data_output": True}}

    assert choose(**everything)[0].is_binary
    assert choose(**everything, outputs=[{"name": "scores"}])[0].is_binary
    assert not choose(**everything, outputs=[{"name": "scores", "parameters": {"binary_data": False}}])[0].is_binary
    assert choose(outputs=[{"name": "scores", "parameters": {"binary_data": True}}])[0].is_binary


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"binary_data": "yes"}, "outputs[0].parameters.binary_data"),
        ({"classification": -1}, "outputs[0].parameters.classification"),
        ({"classification": "3"}, "outputs[0].parameters.classification"),
        ({"classification": True}, "outputs[0].parameters.classification"),
    ],
)
def test_output_parameters_of_the_wrong_type_are_named(parameters: dict, field: str) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        choose(outputs=[{"name": "scores", "parameters": parameters}])

    assert refusal.value.field == field


def test_an_output_asked_for_twice_is_refused_as_it_would_multiply_the_answer() -> None:
    with pytest.raises(RequestInvalid, match="asked for twice") as refusal:
        choose(outputs=[{"name": "scores"}, {"name": "scores", "parameters": {"classification": 1}}])

    assert (refusal.value.field, refusal.value.limit) == ("outputs", ["scores"])


def test_an_unknown_output_is_told_the_known_ones() -> None:
    with pytest.raises(TensorNameUnknown) as refusal:
        choose(outputs=[{"name": "scores"}, {"name": "x"}])

    assert (refusal.value.field, refusal.value.limit) == ("outputs[1].name", ["scores"])


def test_numbers_are_flat_and_row_major() -> None:
    body, rest = encode(SCORES)

    assert rest == b""
    assert body == {
        "model_name": "shade",
        "model_version": "3",
        "id": "r1",
        "outputs": [{"name": "scores", "shape": [2, 2], "datatype": "FP32", "data": [0.25, 0.75, 1.0, 0.0]}],
    }


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.uint64, np.float64])
def test_every_output_type_but_fp16_goes_into_json(dtype: type) -> None:
    body, _ = encode(np.array([[1, 0]], dtype))

    assert body["outputs"][0]["data"] == [1, 0]


def test_binary_outputs_follow_the_json() -> None:
    for array in (SCORES, SCORES.astype(np.float16), np.asfortranarray(SCORES), np.array([[np.nan, np.inf]])):
        body, rest = encode(array, is_binary=True)

        (tensor,) = body["outputs"]
        assert tensor["parameters"] == {"binary_data_size": array.nbytes}
        assert "data" not in tensor
        assert rest == array.tobytes()


@pytest.mark.parametrize("array", [np.array([[np.nan, 1]]), np.array([[np.inf, 1]]), SCORES.astype(np.float16)])
def test_what_json_cannot_hold_is_refused_and_binary_suggested(array: np.ndarray) -> None:
    with pytest.raises(OutputNotJson, match="binary_data: true"):
        encode(array)


def test_best_classes_are_value_index_label() -> None:
    body, _ = encode(SCORES, top_k=2)

    (tensor,) = body["outputs"]
    assert (tensor["datatype"], tensor["shape"]) == ("BYTES", [2, 2])
    assert tensor["data"] == ["0.750000:1:bright", "0.250000:0:dark", "1.000000:0:dark", "0.000000:1:bright"]


def test_best_classes_come_as_binary_strings_too() -> None:
    body, rest = encode(SCORES, top_k=1, is_binary=True)

    (tensor,) = body["outputs"]
    assert (tensor["datatype"], tensor["shape"]) == ("BYTES", [2, 1])
    assert byte_strings(memoryview(rest), count=2, field="x") == [b"0.750000:1:bright", b"1.000000:0:dark"]


def test_best_classes_without_labels_and_of_integers() -> None:
    assert best_classes(np.array([[3, 9, 9]], np.int8), 5, ()) == [["9:1", "9:2", "3:0"]]


def test_best_classes_of_one_number_a_row_and_of_no_rows() -> None:
    assert best_classes(np.array(2), 3, ()) == [["2:0"]]
    assert best_classes(np.array([2, 1]), 3, ()) == [["2:0"], ["1:0"]]
    assert best_classes(np.zeros((0, 4), np.float32), 3, ()) == []


def test_metadata_lists_tensors_and_what_else_is_taken() -> None:
    body = metadata(contract(), versions=[1, 12], platform="tensorflow_lite")

    assert body == {
        "name": "shade",
        "versions": ["1", "12"],
        "platform": "tensorflow_lite",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 2, 2, 1]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}],
        "parameters": {
            "raw_inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
            "scores": {
                "output": "scores",
                "activation": "none",
                "temperature": 1.0,
                "here": "the output as the model's file gives it, also as classes",
                "calibrated_at": "/models/{model}/predict, uploads and batches",
            },
        },
    }


def test_metadata_of_a_model_without_labels_tells_of_no_scores() -> None:
    spec = Regression(unit="EUR")
    outputs = (TensorSpec(name="price", datatype="FP32", shape=(-1, 1)),)

    told = metadata(contract(outputs=outputs, postprocessing=spec), versions=[1], platform="x")

    assert told["parameters"].keys() == {"raw_inputs"}


def test_one_number_for_two_labels_is_told_without_a_label_that_it_may_not_be_of() -> None:
    assert best_classes(np.array([[0.75]], np.float32), 2, ("no", "yes")) == [["0.750000:0"]]


def test_metadata_of_a_model_of_tensors_names_no_raw_input() -> None:
    tensors = contract(
        inputs=(TensorSpec(name="x", datatype="INT8", shape=(-1,)),), preprocessing=TensorPreprocessing()
    )

    assert "raw_inputs" not in metadata(tensors, versions=[1], platform="x").get("parameters", {})
