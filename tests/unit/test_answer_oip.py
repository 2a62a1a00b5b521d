"""Open Inference Protocol calls on models of several inputs and outputs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from builders import World
from lambent.contracts.model import RawOutputs, TensorPreprocessing, TensorSpec
from lambent.contracts.tensor_binary import array_to_bytes
from lambent.domain.call import Call, CallAnswer, Operation
from lambent.domain.model import ModelChoice
from lambent.errors import LambentError, OutputNotJson, TensorDtypeMismatch, TensorNameUnknown, TensorShapeMismatch
from lambent.services.answer_call import CallService
from lambent.services.predict import PredictService, Timings
from lambent_toolkit.fakes import FakeInterpreterLoader

FIELDS = {
    "name": "blend",
    "inputs": (
        TensorSpec(name="left", datatype="FP32", shape=(-1, 2)),
        TensorSpec(name="right", datatype="INT64", shape=(-1, 2)),
        TensorSpec(name="mask", datatype="BOOL", shape=(-1, 2)),
    ),
    "outputs": (
        TensorSpec(name="sum", datatype="FP64", shape=(-1, 2)),
        TensorSpec(name="half", datatype="FP16", shape=(-1, 2)),
        TensorSpec(name="mask", datatype="BOOL", shape=(-1, 2)),
    ),
    "preprocessing": TensorPreprocessing(),
    "postprocessing": RawOutputs(),
}
LEFT = {"name": "left", "shape": [2, 2], "datatype": "FP32", "data": [0.5, 1, 2, 3]}
RIGHT = {"name": "right", "shape": [2, 2], "datatype": "INT64", "data": [[10, 20], [30, 40]]}
MASK = {"name": "mask", "shape": [2, 2], "datatype": "BOOL", "data": [True, False, 1, 0]}


def blend(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    total = inputs["left"].astype(np.float64) + inputs["right"]
    return {"sum": total, "half": (total / 2).astype(np.float16), "mask": inputs["mask"]}


@pytest.fixture
def service() -> CallService:
    world = World(loader=FakeInterpreterLoader(blend))
    world.publish(**FIELDS)
    return CallService(PredictService(world.resolver(), world.models()))


def infer(service: CallService, *inputs: dict, chunks: bytes = b"", **request: object) -> tuple[CallAnswer, dict]:
    header = json.dumps({"inputs": list(inputs), **request}).encode()
    headers = {"inference-header-content-length": str(len(header))} if chunks else {}
    call = Call(Operation.OIP_INFER, ModelChoice("blend"), header + chunks, headers)
    answer = service.answer(call, Timings())
    length = int(answer.headers.get("Inference-Header-Content-Length", len(answer.body)))
    return answer, json.loads(answer.body[:length])


def test_inputs_come_in_any_order_and_form_and_outputs_as_asked(service: CallService) -> None:
    right = {**RIGHT, "parameters": {"binary_data_size": 32}}
    del right["data"]
    wanted = [{"name": "half", "parameters": {"binary_data": True}}, {"name": "mask"}, {"name": "sum"}]

    answer, body = infer(service, MASK, right, LEFT, chunks=np.array([10, 20, 30, 40]).tobytes(), outputs=wanted)

    half, mask, total = body["outputs"]
    assert [each["datatype"] for each in body["outputs"]] == ["FP16", "BOOL", "FP64"]
    assert (half["parameters"], half["shape"]) == ({"binary_data_size": 8}, [2, 2])
    assert np.frombuffer(answer.body[-8:], np.float16).tolist() == [5.25, 10.5, 16, 21.5]
    assert mask["data"] == [True, False, True, False]
    assert total["data"] == [10.5, 21, 32, 43]


def test_all_outputs_come_in_the_contracts_order(service: CallService) -> None:
    answer, body = infer(service, LEFT, RIGHT, MASK, parameters={"binary_data_output": True})

    assert [each["name"] for each in body["outputs"]] == ["sum", "half", "mask"]
    sizes = [each["parameters"]["binary_data_size"] for each in body["outputs"]]
    assert sizes == [32, 8, 4]
    assert answer.content_type == "application/octet-stream"
    assert len(answer.body) == int(answer.headers["Inference-Header-Content-Length"]) + sum(sizes)


@pytest.mark.parametrize("padding", range(9))
def test_binary_tensors_begin_at_any_byte(service: CallService, padding: int) -> None:
    left = {**LEFT, "parameters": {"binary_data_size": 16}}
    del left["data"]
    chunk = array_to_bytes(np.array([0.5, 1, 2, 3], np.float32))
    wanted = [{"name": "sum"}]

    _, body = infer(service, left, RIGHT, MASK, chunks=chunk, id="x" * (padding + 1), outputs=wanted)

    assert body["outputs"][0]["data"] == [10.5, 21, 32, 43]


@pytest.mark.parametrize(
    ("inputs", "error", "field"),
    [
        ([LEFT, RIGHT], TensorNameUnknown, "inputs"),
        ([LEFT, RIGHT, MASK, MASK], TensorNameUnknown, "inputs"),
        ([LEFT, RIGHT, {**MASK, "data": [2, 0, 0, 0]}], TensorDtypeMismatch, "inputs[2].data"),
        ([LEFT, {**RIGHT, "datatype": "BF16"}, MASK], TensorDtypeMismatch, "inputs[1].datatype"),
        ([LEFT, {**RIGHT, "shape": [4]}, MASK], TensorShapeMismatch, "inputs[1].shape"),
        ([{**LEFT, "shape": [1, 2], "data": [0.5, 1]}, RIGHT, MASK], TensorShapeMismatch, "inputs"),
        ([{**LEFT, "data": [0.5, 1]}, RIGHT, MASK], TensorShapeMismatch, "inputs[0].data"),
        ([{**LEFT, "name": "text", "datatype": "BYTES", "data": ["a"] * 4}], TensorNameUnknown, "inputs[0].name"),
    ],
)
def test_the_input_that_is_wrong_is_named(
    service: CallService, inputs: list[dict], error: type[LambentError], field: str
) -> None:
    with pytest.raises(error) as refusal:
        infer(service, *inputs)

    assert refusal.value.field == field


def test_an_output_without_json_form_has_to_be_asked_for_in_binary(service: CallService) -> None:
    with pytest.raises(OutputNotJson) as refusal:
        infer(service, LEFT, RIGHT, MASK)

    assert refusal.value.field == "outputs.half"


def test_an_id_is_made_up_where_none_is_sent(service: CallService) -> None:
    ids = [infer(service, LEFT, RIGHT, MASK, outputs=[{"name": "sum"}], id=sent)[1]["id"] for sent in ("a", "", None)]

    assert ids[0] == "a"
    assert len({*ids, ""}) == 4
