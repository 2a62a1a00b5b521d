"""The curl calls of TensorFlow Serving's REST guide, with a model of ours.

https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/api_rest.md
"""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from typing import Any

import pytest
from door import Door


def curl(door: Door, *arguments: str) -> tuple[int, Any]:
    """Call curl as the guide does, plus the key; return status and body."""
    command = ["curl", "-s", "-w", "\n%{http_code}", "-H", f"x-api-key: {door.key}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


@pytest.fixture
def model(door: Door) -> str:
    return f"{door.url}/v1/models/digits"


@pytest.fixture
def picture(seven: bytes) -> dict[str, str]:
    return {"b64": b64encode(seven).decode()}


@pytest.fixture
def rows(seven_tensor: dict[str, Any]) -> list[Any]:
    flat = seven_tensor["data"]
    return [[[[value] for value in flat[start : start + 28]] for start in range(0, 784, 28)]]


def best(scores: list[float]) -> int:
    return scores.index(max(scores))


@pytest.mark.parametrize("choice", ["", "/versions/1", "/labels/live"])
def test_model_status(door: Door, model: str, choice: str) -> None:
    status, body = curl(door, model + choice)

    expected = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert status == 200
    assert body["model_version_status"] == [expected]


def test_model_metadata(door: Door, model: str) -> None:
    status, body = curl(door, f"{model}/metadata")

    signature = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert status == 200
    assert body["model_spec"]["name"] == "digits"
    assert signature["inputs"]["image"]["dtype"] == "DT_FLOAT"
    assert [each["size"] for each in signature["outputs"]["scores"]["tensor_shape"]["dim"]] == ["-1", "10"]


@pytest.mark.parametrize("choice", ["", "/versions/1", "/labels/live"])
def test_predict_by_rows(door: Door, model: str, rows: list[Any], choice: str) -> None:
    sent = json.dumps({"instances": rows * 2})

    status, body = curl(door, "-d", sent, "-X", "POST", f"{model}{choice}:predict")

    assert status == 200
    assert [best(scores) for scores in body["predictions"]] == [7, 7]


def test_predict_by_named_rows_and_a_signature(door: Door, model: str, rows: list[Any]) -> None:
    sent = json.dumps({"signature_name": "serving_default", "instances": [{"image": row} for row in rows]})

    status, body = curl(door, "-d", sent, "-X", "POST", f"{model}:predict")

    assert status == 200
    assert [best(scores) for scores in body["predictions"]] == [7]


@pytest.mark.parametrize("is_named", [True, False])
def test_predict_by_columns(door: Door, model: str, rows: list[Any], is_named: bool) -> None:
    sent = json.dumps({"inputs": {"image": rows} if is_named else rows})

    status, body = curl(door, "-d", sent, "-X", "POST", f"{model}:predict")

    assert status == 200
    assert [best(scores) for scores in body["outputs"]] == [7]


def test_predict_from_binary_values(door: Door, model: str, picture: dict[str, str]) -> None:
    sent = json.dumps({"instances": [picture, {"image": picture}]})

    status, body = curl(door, "-d", sent, "-X", "POST", f"{model}:predict")

    assert status == 200
    assert [best(scores) for scores in body["predictions"]] == [7, 7]


def test_classify(door: Door, model: str, picture: dict[str, str]) -> None:
    sent = json.dumps({"examples": [{"image": picture}]})

    status, body = curl(door, "-d", sent, "-X", "POST", f"{model}:classify")

    (classes,) = body["results"]
    assert status == 200
    assert classes[0][0] == "7"
    assert len(classes) == 10


def test_a_wrong_address_is_an_error_in_their_shape(door: Door) -> None:
    status, body = curl(
        door, "-d", '{"instances": [1.0, 2.0, 5.0]}', "-X", "POST", f"{door.url}/v1/models/half:predict"
    )

    assert status == 404
    assert isinstance(body["error"], str)


@pytest.mark.parametrize("sent", ['{"instances": [1.0, 2.0', '{"instances": [1.0], "inputs": [1.0]}', "{}"])
def test_a_wrong_body_is_an_error_in_their_shape(door: Door, model: str, sent: str) -> None:
    status, body = curl(door, "-d", sent, "-X", "POST", f"{model}:predict")

    assert 400 <= status < 500
    assert isinstance(body["error"], str)


def test_version_and_label_together_are_refused(door: Door, model: str) -> None:
    status, _ = curl(door, "-d", '{"instances": [1.0]}', "-X", "POST", f"{model}/versions/1/labels/live:predict")

    assert 400 <= status < 500
