"""Open Inference Protocol requests."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from builders import contract
from lambent.contracts import oip
from lambent.contracts.model import ImagePreprocessing, TensorPreprocessing, TensorSpec, TextPreprocessing
from lambent.contracts.oip_raw import raw_input_name, read_raw_items
from lambent.contracts.tensor_binary import join_byte_strings
from lambent.errors import (
    JsonInvalid,
    JsonTooComplex,
    LambentError,
    RequestInvalid,
    TensorDtypeMismatch,
    TensorNameUnknown,
    TensorShapeMismatch,
)

TWO_INPUTS = contract(
    inputs=(
        TensorSpec(name="ids", datatype="INT64", shape=(-1, 2)),
        TensorSpec(name="weights", datatype="FP16", shape=(-1, 2)),
    ),
    preprocessing=TensorPreprocessing(),
)


def body(**changes: object) -> bytes:
    tensor = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "FP32", "data": [0, 1, 2, 3], **changes}
    return json.dumps({"inputs": [tensor]}).encode()


def read(raw: bytes, header_length: str | None = None, of=None) -> dict[str, np.ndarray]:
    return oip.read_inputs(oip.decode_infer(raw, header_length), of or contract())


def mixed(*tensors: dict, chunks: bytes = b"") -> tuple[bytes, str]:
    header = json.dumps({"inputs": list(tensors)}).encode()
    return header + chunks, str(len(header))


def binary(size: object, **changes: object) -> dict:
    tensor = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    return {**tensor, **changes}


@pytest.mark.parametrize("data", [[0, 1, 2, 3], [0.0, 1, 2, 3], [[[[0], [1]], [[2], [3]]]]])
def test_a_request_becomes_arrays_by_name(data: list) -> None:
    inputs = read(body(data=data))

    assert inputs["image"].shape == (1, 2, 2, 1)
    assert inputs["image"].dtype == np.float32
    assert inputs["image"].ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("data", [[0, 1, 2, 3], [[[[0], [1]], [[2], [3]]]]])
def test_unknown_fields_are_ignored_as_the_protocol_allows_extensions(data: list) -> None:
    inputs = read(body(data=data, future_field=1))

    assert list(inputs) == ["image"]


def test_the_order_of_a_tensors_fields_does_not_matter() -> None:
    tensor = {"data": [0, 1, 2, 3], "datatype": "FP32", "shape": [1, 2, 2, 1], "name": "image"}

    assert read(json.dumps({"inputs": [tensor], "id": "a"}).encode())["image"].sum() == 6


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"inputs": []}x', body()[:-2], body(data=[float("nan")])])
def test_what_is_not_json_is_refused_as_such(raw: bytes) -> None:
    with pytest.raises(JsonInvalid):
        oip.decode_infer(raw)


def test_json_of_too_many_levels_is_refused() -> None:
    with pytest.raises((JsonTooComplex, JsonInvalid)):
        oip.decode_infer(b'{"inputs": [], "parameters": {"a": ' + b"[" * 100_000)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(RequestInvalid) as refusal:
        oip.decode_infer(b'{"inputs": [{"name": "image", "datatype": "FP32"}]}')

    assert refusal.value.field == "inputs[0].shape"
    assert "lacks the field inputs[0].shape" in refusal.value.detail


@pytest.mark.parametrize("tensor", [binary(None, parameters={}), binary(16, data=[1])])
def test_an_input_has_either_data_or_a_binary_size(tensor: dict) -> None:
    with pytest.raises(RequestInvalid, match="either data or parameters"):
        read(*mixed(tensor, chunks=bytes(16)))


def test_shape_mismatch_says_expected_and_got() -> None:
    with pytest.raises(TensorShapeMismatch) as refusal:
        read(body(shape=[1, 3, 2, 1]))

    assert refusal.value.limit == [-1, 2, 2, 1]
    assert refusal.value.got == [1, 3, 2, 1]


@pytest.mark.parametrize("shape", [[2, 2, 1], [1, 1, 2, 2, 1], [0, 2, 2, 1], [-1, 2, 2, 1], [2**62, 2, 2, 1], []])
def test_wrong_ranks_empty_batches_and_enormous_ones_are_refused(shape: list[int]) -> None:
    with pytest.raises(TensorShapeMismatch):
        read(body(shape=shape))


@pytest.mark.parametrize("datatype", ["INT8", "BF16", "BYTES", "FLOAT"])
def test_datatype_mismatch_says_expected_and_got(datatype: str) -> None:
    with pytest.raises(TensorDtypeMismatch) as refusal:
        read(body(datatype=datatype))

    assert (refusal.value.limit, refusal.value.got) == ("FP32", datatype)


def test_inputs_must_be_the_models_own_each_once() -> None:
    tensor = json.loads(body())["inputs"][0]

    for inputs in ([{**tensor, "name": "picture"}], [], [tensor, tensor]):
        with pytest.raises(TensorNameUnknown):
            read(json.dumps({"inputs": inputs}).encode())


def test_fp16_has_no_json_form() -> None:
    ids = {"name": "ids", "shape": [1, 2], "datatype": "INT64", "data": [1, 2]}
    weights = {"name": "weights", "shape": [1, 2], "datatype": "FP16", "data": [0.5, 1]}

    with pytest.raises(TensorDtypeMismatch, match="binary tensor"):
        read(json.dumps({"inputs": [ids, weights]}).encode(), of=TWO_INPUTS)


def test_json_and_binary_tensors_mix_in_any_order() -> None:
    ids = {"name": "ids", "shape": [1, 2], "datatype": "INT64", "data": [[2**60 + 1, 2]]}
    weights = binary(4, name="weights", shape=[1, 2], datatype="FP16")
    chunk = np.array([0.5, 1], np.float16).tobytes()

    for tensors in ((ids, weights), (weights, ids)):
        inputs = read(*mixed(*tensors, chunks=chunk), of=TWO_INPUTS)

        assert inputs["ids"].tolist() == [[2**60 + 1, 2]]
        assert inputs["weights"].tolist() == [[0.5, 1]]


def test_several_binary_tensors_follow_each_other_in_the_order_of_the_inputs() -> None:
    weights = binary(4, name="weights", shape=[1, 2], datatype="FP16")
    ids = binary(16, name="ids", shape=[1, 2], datatype="INT64")
    chunks = np.array([0.5, 1], np.float16).tobytes() + np.array([7, 8], np.int64).tobytes()

    inputs = read(*mixed(weights, ids, chunks=chunks), of=TWO_INPUTS)

    assert inputs["ids"].tolist() == [[7, 8]]
    assert inputs["weights"].tolist() == [[0.5, 1]]


@pytest.mark.parametrize("header_length", ["-1", "1e3", "", "abc", "\u0662", "999999", "9" * 5000])
def test_a_header_length_that_is_none_or_beyond_the_body_is_refused(header_length: str) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        read(body(), header_length)

    assert refusal.value.field == "Inference-Header-Content-Length"
    assert refusal.value.limit == len(body())


@pytest.mark.parametrize(("size", "sent"), [(16, 15), (16, 17), (16, 0), (0, 16)])
def test_bytes_left_over_or_missing_are_refused(size: int, sent: int) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        read(*mixed(binary(size), chunks=bytes(sent)))

    assert (refusal.value.limit, refusal.value.got) == (size, sent)


@pytest.mark.parametrize("size", [-1, 1.5, "16", True, [16], 10**400])
def test_a_binary_size_is_a_whole_number(size: object) -> None:
    with pytest.raises(RequestInvalid, match="whole number"):
        read(*mixed(binary(size), chunks=bytes(16)))


def test_a_binary_size_that_is_not_that_of_the_shape_is_refused() -> None:
    with pytest.raises(TensorDtypeMismatch) as refusal:
        read(*mixed(binary(12), chunks=bytes(12)))

    assert (refusal.value.limit, refusal.value.got) == (16, 12)


def test_a_header_length_of_the_whole_body_is_plain_json() -> None:
    assert read(body(), str(len(body())))["image"].sum() == 6


# --------------------------------------------------------------------------------------------------------- raw items


def items(raw: bytes, header_length: str | None = None, of=None):
    return read_raw_items(oip.decode_infer(raw, header_length), of or contract())


def texts_contract():
    return contract(preprocessing=TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=4, ids_input="image"))


def raw_tensor(**changes: object) -> dict:
    return {"name": "image", "shape": [2], "datatype": "BYTES", **changes}


def test_tensors_are_no_raw_items() -> None:
    assert items(body()) is None


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_pictures_come_as_base64_in_json(shape: list[int]) -> None:
    data = [base64.b64encode(each).decode() for each in (b"one", b"two")]

    assert items(json.dumps({"inputs": [raw_tensor(shape=shape, data=data)]}).encode()) == [b"one", b"two"]


def test_pictures_come_as_bytes_in_a_binary_tensor() -> None:
    chunk = join_byte_strings([b"one", b"\xff"])

    assert items(*mixed(raw_tensor(parameters={"binary_data_size": len(chunk)}), chunks=chunk)) == [b"one", b"\xff"]


def test_texts_come_as_strings() -> None:
    raw = json.dumps({"inputs": [raw_tensor(name="text", data=["grüezi", "hi"])]}).encode()

    assert items(raw, of=texts_contract()) == ["grüezi", "hi"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "picture", "data": ["", ""]}, TensorNameUnknown),
        ({"shape": [2, 2], "data": ["", ""]}, TensorShapeMismatch),
        ({"shape": [], "data": ["", ""]}, TensorShapeMismatch),
        ({"shape": [0], "data": []}, TensorShapeMismatch),
        ({"shape": [9], "data": [""] * 9}, TensorShapeMismatch),
        ({"shape": [3], "data": ["", ""]}, TensorShapeMismatch),
        ({"data": ["no base64!", ""]}, TensorDtypeMismatch),
        ({"data": ["\u00e9", ""]}, TensorDtypeMismatch),
        ({"data": [1, 2]}, TensorDtypeMismatch),
    ],
)
def test_raw_items_that_do_not_fit_are_refused(changes: dict, error: type[LambentError]) -> None:
    with pytest.raises(error) as refusal:
        items(json.dumps({"inputs": [raw_tensor(**changes)]}).encode())

    assert refusal.value.field.startswith("inputs[0]")


def test_a_model_of_tensors_takes_no_raw_items() -> None:
    with pytest.raises(TensorNameUnknown, match="none of them is BYTES"):
        items(json.dumps({"inputs": [raw_tensor(data=["", ""])]}).encode(), of=TWO_INPUTS)

    assert [raw_input_name(each) for each in (TWO_INPUTS, contract(), texts_contract())] == [None, "image", "text"]
    assert isinstance(contract().preprocessing, ImagePreprocessing)
