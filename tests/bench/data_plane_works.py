"""The works of the data-plane benchmark: requests as clients send them, and what the bare interpreter does of each."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from harness import EVENT
from PIL import Image
from sklearn.datasets import load_sample_image

from models import bench_model

SEED = 7
JSON = "application/json"


@dataclass(frozen=True)
class Work:
    """One request to one model.

    Parameters
    ----------
    name, goal    as in the report
    model         a name of `models.bench_model`
    path, headers, body   the HTTP request
    bare          what the bare side gets: ``jpeg_file`` and ``size``, or ``array`` ready for the interpreter
    """

    name: str
    goal: str
    model: str
    path: str
    headers: dict[str, str]
    body: bytes
    bare: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, *, api_key_id: str) -> dict[str, Any]:
        """Leave the work's files in a folder; return its entry for `data_plane_program`."""
        stem = "".join(character if character.isalnum() else "_" for character in self.name)
        event_file = folder / f"{stem}.json"
        event_file.write_text(json.dumps(self._event(api_key_id)))
        entry = {"name": self.name, "event_file": str(event_file)}
        entry["model_file"] = str(bench_model(self.model) / "model.tflite")
        for name, value in self.bare.items():
            if isinstance(value, np.ndarray):
                np.save(folder / f"{stem}.npy", value)
                entry["array_file"] = str(folder / f"{stem}.npy")
            elif isinstance(value, bytes):
                (folder / f"{stem}.jpg").write_bytes(value)
                entry["jpeg_file"] = str(folder / f"{stem}.jpg")
            else:
                entry[name] = value
        return entry

    def _event(self, api_key_id: str) -> dict[str, Any]:
        event = json.loads(EVENT.read_text())
        path, _, query = self.path.partition("?")
        event |= {"path": path, "resource": "/{proxy+}", "pathParameters": {"proxy": path[1:]}}
        event["queryStringParameters"] = dict(pair.split("=") for pair in query.split("&")) if query else None
        event["headers"] = {**event["headers"], **self.headers}
        event["multiValueHeaders"] = {name: [value] for name, value in event["headers"].items()}
        event["body"] = base64.b64encode(self.body).decode()
        event["isBase64Encoded"] = True
        event["requestContext"]["identity"]["apiKeyId"] = api_key_id
        return event


def works() -> list[Work]:
    """Return the works of the report.

    A: a JPEG of 640 x 480 pixels, E: 224 x 224 x 3 pixels as a binary tensor, both to MobileNetV2 in full int8. B, C:
    one and 64 pictures of 28 x 28 as JSON numbers of up to 17 digits, to the seed CNN. D: 128 token ids as JSON, to a
    small transformer in dynamic range.
    """
    random = np.random.default_rng(SEED)
    photo = _photo()
    pixels = np.asarray(Image.open(BytesIO(photo)).resize((224, 224)), dtype=np.uint8)[np.newaxis]
    ids = random.integers(1, 1000, (1, 128), dtype=np.int32)
    digits = {rows: random.random((rows, 28, 28, 1), dtype=np.float32) for rows in (1, 64)}
    infer = "/v2/models/{}/infer".format
    return [
        Work(
            "A JPEG to top 5",
            "1.15 x",
            "mobilenet",
            "/models/mobilenet/predict?top_k=5",
            {"content-type": "image/jpeg"},
            photo,
            {"jpeg_file": photo, "size": (224, 224)},
        ),
        _binary("E uint8, binary", "1.12 x", "mobilenet", pixels),
        *(
            Work(
                f"{letter} {rows} x JSON, {form}",
                goal,
                "seed-cnn",
                infer("seed-cnn"),
                {"content-type": JSON},
                _json("image", digits[rows], is_nested=form == "nested"),
                {"array": _quantized(digits[rows])},
            )
            for letter, rows, form, goal in (
                ("B", 1, "flat", "+ 0.25 ms"),
                ("B", 1, "nested", ""),
                ("C", 64, "flat", "3.5 ms"),
                ("C", 64, "nested", "10 ms"),
            )
        ),
        Work(
            "D 128 tokens",
            "1.4 x",
            "transformer",
            infer("transformer"),
            {"content-type": JSON},
            _json("ids", ids, is_nested=False),
            {"array": ids},
        ),
    ]


def _photo() -> bytes:
    buffer = BytesIO()
    Image.fromarray(load_sample_image("china.jpg")).resize((640, 480)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _json(name: str, array: Any, *, is_nested: bool) -> bytes:
    # As Python clients write them: a float32 becomes a float with up to 17 digits.
    data = array.tolist() if is_nested else array.ravel().tolist()
    datatype = {"float32": "FP32", "int32": "INT32"}[str(array.dtype)]
    tensor = {"name": name, "datatype": datatype, "shape": list(array.shape), "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def _binary(name: str, goal: str, model: str, array: Any) -> Work:
    tensor = {
        "name": "image",
        "datatype": "UINT8",
        "shape": list(array.shape),
        "parameters": {"binary_data_size": array.nbytes},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    body = head + array.tobytes()
    return Work(name, goal, model, f"/v2/models/{model}/infer", headers, body, {"array": array})


def _quantized(array: Any) -> Any:
    """Return any int8 values of the right shape: the interpreter takes as long for all."""
    return (array * 255 - 128).astype(np.int8)
