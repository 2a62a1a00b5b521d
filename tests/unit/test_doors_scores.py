"""Whatever door an item comes through, its labels have the same scores."""

from __future__ import annotations

import json
from base64 import b64encode

import numpy as np
import pytest

from builders import World, picture
from lambent.contracts.model import Classification
from lambent.domain.call import Call, Operation
from lambent.domain.model import ModelChoice
from lambent.services.answer_call import CallService
from lambent.services.predict import PredictService, Timings

GREY = picture(60)
BRIGHT = 60 / 255  # what the model says to it, as a probability
LOGIT = np.array([1 - BRIGHT, BRIGHT])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum()


SCORES = {
    ("none", 1.0): LOGIT,
    ("none", 3.0): softmax(np.log(LOGIT) / 3.0),
    ("softmax", 1.0): softmax(LOGIT),
    ("softmax", 3.0): softmax(LOGIT / 3.0),
    ("sigmoid", 3.0): 1 / (1 + np.exp(-LOGIT / 3.0)),
}


@pytest.mark.parametrize(("activation", "temperature"), SCORES)
def test_all_doors_answer_the_scores_of_the_contracts_postprocessing(activation: str, temperature: float) -> None:
    world = World()
    spec = Classification(labels=("dark", "bright"), activation=activation, temperature=temperature)
    world.publish(postprocessing=spec)
    service = CallService(PredictService(world.resolver(), world.models()))

    def ask(operation: Operation, body: bytes, **more: dict[str, str]) -> dict:
        return json.loads(service.answer(Call(operation, ModelChoice("shade"), body, **more), Timings()).body)

    encoded = {"b64": b64encode(GREY).decode()}
    pixels = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "FP32", "data": [float(np.float32(BRIGHT))] * 4}
    wanted = {"name": "scores", "parameters": {"classification": 2}}
    media = ask(Operation.MEDIA_PREDICT, GREY, headers={"content-type": "image/png"}, query={"top_k": "2"})
    tfs = ask(Operation.TFS_CLASSIFY, json.dumps({"examples": [{"image": encoded}]}).encode())
    oip = ask(Operation.OIP_INFER, json.dumps({"inputs": [pixels], "outputs": [wanted]}).encode())

    expected = dict(zip(spec.labels, SCORES[activation, temperature], strict=True))
    by_door = {
        "media": {entry["label"]: entry["score"] for entry in media["predictions"][0]["top"]},
        "tfs": dict(tfs["results"][0]),
        "oip": {each.split(":")[2]: float(each.split(":")[0]) for each in oip["outputs"][0]["data"]},
    }
    for scores in by_door.values():
        assert scores == pytest.approx(expected, abs=2e-6)
