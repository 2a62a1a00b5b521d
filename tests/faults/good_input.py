"""A good request of every door, and what it must answer."""

from __future__ import annotations

from typing import Protocol

from bad_input import encoded
from plane import Answer, Request

from builders import picture

PAIR = {
    "inputs": [
        {"name": "left", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]},
        {"name": "right", "shape": [1, 2], "datatype": "INT32", "data": [4, 5]},
    ],
    "outputs": [{"name": "sum"}],
}
JSON = {"content-type": "application/json"}


class Door(Protocol):
    """Where requests go."""

    def send(self, request: Request) -> Answer:
        """Return what is answered."""
        ...


def check_good(door: Door, path: str) -> None:
    """Assert that the door behind a path answers a good request right."""
    if path.startswith("/v2"):
        answer = door.send(Request("POST", "/v2/models/pair/infer", encoded(PAIR)))
        assert (answer.status, answer.json["outputs"][0]["data"]) == (200, [15.0])
    elif path.startswith("/v1"):
        body = encoded({"instances": [{"left": [1, 2, 3], "right": [4, 5]}]})
        answer = door.send(Request("POST", "/v1/models/pair:predict", body, JSON))
        assert (answer.status, answer.json["predictions"][0]["sum"]) == (200, [15.0])
    elif path.startswith("/models/words"):
        answer = door.send(Request("POST", "/models/words/predict", b"good day", {"content-type": "text/plain"}))
        assert (answer.status, answer.json["predictions"][0]["label"]) == (200, "good")
    elif path.startswith("/models/rows"):
        row = encoded({"rows": [{"width": 4, "height": 2, "colour": "red"}]})
        answer = door.send(Request("POST", "/models/rows/predict", row, JSON))
        assert (answer.status, answer.json["predictions"][0]["value"]) == (200, 13.0)
    elif path.startswith("/models"):
        answer = door.send(Request("POST", "/models/shade/predict", picture(255), {"content-type": "image/png"}))
        assert (answer.status, answer.json["predictions"][0]["label"]) == (200, "bright")
    else:
        answer = door.send(Request("GET", "/models/pair"))
        assert (answer.status, answer.json["labels"]) == (200, {"live": "1"})
