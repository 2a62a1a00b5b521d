"""Open Inference Protocol bodies."""

import json

import msgspec
import numpy as np
import pytest

from builders import contract
from lambent.contracts import oip
from lambent.errors import JsonInvalid, RequestInvalid, TensorDtypeMismatch, TensorNameUnknown, TensorShapeMismatch


def body(**changes: object) -> bytes:
    tensor = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "FP32", "data": [0, 1, 2, 3], **changes}
    return json.dumps({"inputs": [tensor]}).encode()


def read(raw: bytes) -> dict[str, np.ndarray]:
    return oip.read_inputs(oip.decode_infer(raw), contract())


def test_a_request_becomes_arrays_by_name() -> None:
    inputs = read(body())

    assert inputs["image"].shape == (1, 2, 2, 1)
    assert inputs["image"].dtype == np.float32


def test_unknown_fields_are_ignored_as_the_protocol_allows_extensions() -> None:
    inputs = read(body(future_field=1))

    assert list(inputs) == ["image"]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"inputs": []}x'])
def test_what_is_not_json_is_refused_as_such(raw: bytes) -> None:
    with pytest.raises(JsonInvalid):
        oip.decode_infer(raw)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(RequestInvalid) as refusal:
        oip.decode_infer(b'{"inputs": [{"name": "image"}]}')

    assert refusal.value.field == "inputs[0]"
    assert "shape" in refusal.value.detail


def test_shape_mismatch_says_expected_and_got() -> None:
    with pytest.raises(TensorShapeMismatch) as refusal:
        read(body(shape=[1, 3, 2, 1]))

    assert refusal.value.limit == [-1, 2, 2, 1]
    assert refusal.value.got == [1, 3, 2, 1]


@pytest.mark.parametrize("shape", [[2, 2, 1], [1, 1, 2, 2, 1], [0, 2, 2, 1], []])
def test_wrong_ranks_and_empty_batches_are_refused(shape: list[int]) -> None:
    with pytest.raises(TensorShapeMismatch):
        read(body(shape=shape))


def test_datatype_mismatch_says_expected_and_got() -> None:
    with pytest.raises(TensorDtypeMismatch) as refusal:
        read(body(datatype="INT8"))

    assert (refusal.value.limit, refusal.value.got) == ("FP32", "INT8")


def test_inputs_must_be_the_models_own_each_once() -> None:
    with pytest.raises(TensorNameUnknown):
        read(body(name="picture"))
    with pytest.raises(TensorNameUnknown):
        read(b'{"inputs": []}')


def test_requested_outputs_are_checked_and_kept_in_order() -> None:
    wanted = msgspec.json.decode(b'{"inputs": [], "outputs": [{"name": "scores"}]}', type=oip.InferRequest)
    foreign = msgspec.json.decode(b'{"inputs": [], "outputs": [{"name": "x"}]}', type=oip.InferRequest)

    assert oip.wanted_outputs(wanted, contract()) == ["scores"]
    with pytest.raises(TensorNameUnknown):
        oip.wanted_outputs(foreign, contract())


def test_the_answer_is_flat_and_row_major() -> None:
    scores = np.array([[0.25, 0.75], [1, 0]], dtype=np.float32)

    answer = json.loads(oip.encode_answer(model="shade", version=3, request_id="r1", outputs={"scores": scores}))

    assert answer == {
        "model_name": "shade",
        "model_version": "3",
        "id": "r1",
        "outputs": [{"name": "scores", "shape": [2, 2], "datatype": "FP32", "data": [0.25, 0.75, 1.0, 0.0]}],
    }
