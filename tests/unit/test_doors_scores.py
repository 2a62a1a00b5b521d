"""One score under one name: tensor doors give the output of the model's file, all others its calibrated scores."""

from __future__ import annotations

import json
from base64 import b64encode

import numpy as np
import pytest

from builders import World, picture
from lambent.contracts.model import Classification, TensorSpec
from lambent.domain.call import Call, Operation
from lambent.domain.model import ModelChoice
from lambent.services.answer_call import CallService
from lambent.services.predict import PredictService, Timings
from lambent_toolkit.fakes import FakeInterpreterLoader

GREY = picture(60)
BRIGHT = 60 / 255
LABELS = ("dark", "bright")
OUTPUT = np.array([1 - BRIGHT, BRIGHT])  # what the model says to it


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum()


SCORES = {
    ("none", 1.0): OUTPUT,
    ("none", 3.0): softmax(np.log(OUTPUT) / 3.0),
    ("softmax", 1.0): softmax(OUTPUT),
    ("softmax", 3.0): softmax(OUTPUT / 3.0),
    ("sigmoid", 3.0): 1 / (1 + np.exp(-OUTPUT / 3.0)),
}


@pytest.mark.parametrize(("activation", "temperature"), SCORES)
def test_tensor_doors_give_the_output_and_the_media_door_what_the_contract_makes_of_it(
    activation: str, temperature: float
) -> None:
    world = World()
    world.publish(
        postprocessing=Classification(labels=LABELS, activation=activation, temperature=temperature, threshold=0.3)
    )
    service = CallService(PredictService(world.resolver(), world.models()))

    def ask(operation: Operation, body: bytes, **more: dict[str, str]) -> dict:
        return json.loads(service.answer(Call(operation, ModelChoice("shade"), body, **more), Timings()).body)

    encoded = {"b64": b64encode(GREY).decode()}
    pixels = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "FP32", "data": [float(np.float32(BRIGHT))] * 4}
    wanted = {"name": "scores", "parameters": {"classification": 2}}
    media = ask(Operation.MEDIA_PREDICT, GREY, headers={"content-type": "image/png"}, query={"top_k": "2"})
    rows = ask(Operation.TFS_PREDICT, json.dumps({"instances": [encoded]}).encode())
    classes = ask(Operation.TFS_CLASSIFY, json.dumps({"examples": [{"image": encoded}]}).encode())
    tensors = ask(Operation.OIP_INFER, json.dumps({"inputs": [pixels]}).encode())
    best = ask(Operation.OIP_INFER, json.dumps({"inputs": [pixels], "outputs": [wanted]}).encode())

    told, of_rows = (
        dict(zip(LABELS, row, strict=True)) for row in (tensors["outputs"][0]["data"], rows["predictions"][0])
    )
    assert told == pytest.approx(dict(zip(LABELS, OUTPUT, strict=True)), abs=1e-6)
    assert of_rows == pytest.approx(told, abs=1e-6)  # the picture's pixels, not ours
    assert dict(classes["results"][0]) == of_rows
    # The best comes first: OUTPUT is darker than bright, whatever is made of it.
    assert best["outputs"][0]["data"] == [f"{told['dark']:.6f}:0:dark", f"{told['bright']:.6f}:1:bright"]
    # Below the threshold no label is told; tensor doors know none.
    scores = dict(zip(LABELS, SCORES[activation, temperature], strict=True))
    expected = {label: score for label, score in scores.items() if score >= 0.3}
    assert {entry["label"]: entry["score"] for entry in media["predictions"][0]["top"]} == pytest.approx(
        expected, abs=2e-6
    )


def test_classes_of_one_number_for_two_labels_are_the_number_and_the_rest_of_it() -> None:
    def tell_presence(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"presence": inputs["image"].mean(axis=(1, 2, 3)).reshape(-1, 1).astype(np.float32)}

    world = World(loader=FakeInterpreterLoader(tell_presence))
    outputs = (TensorSpec(name="presence", datatype="FP32", shape=(-1, 1)),)
    world.publish(outputs=outputs, postprocessing=Classification(labels=LABELS))
    service = CallService(PredictService(world.resolver(), world.models()))
    body = json.dumps({"examples": [{"image": {"b64": b64encode(GREY).decode()}}]}).encode()

    answer = service.answer(Call(Operation.TFS_CLASSIFY, ModelChoice("shade"), body), Timings())

    told = json.loads(answer.body)["results"][0]
    assert [label for label, _ in told] == ["dark", "bright"]
    assert dict(told) == pytest.approx({"dark": 1 - BRIGHT, "bright": BRIGHT}, abs=1e-6)
