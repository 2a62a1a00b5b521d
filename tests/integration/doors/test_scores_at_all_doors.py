"""One score under one name: the same pictures at every door of a model whose contract has a temperature."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from lambent.contracts.lines import decode_lines
from lambent.contracts.tensor_binary import byte_strings
from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.recipes import digits

TENANT = "scores"
COUNT = 6
LENGTH = "Inference-Header-Content-Length"
MEDIA, OIP, TFS = "/models/digits/predict", "/v2/models/digits", "/v1/models/digits"
ROUNDED = 1e-6  # media, uploads and batches give six digits


def by_label(top: list[dict[str, Any]]) -> dict[str, float]:
    return {entry["label"]: entry["score"] for entry in top}


def tensor(pngs: list[bytes]) -> np.ndarray:
    preprocessor = make_preprocessor(digits.CONTRACT, {})
    return preprocessor.collate([preprocessor.prepare(png) for png in pngs])["image"]


def split(answer: Any) -> tuple[dict[str, Any], bytes]:
    length = int(answer.headers[LENGTH])
    return json.loads(answer.content[:length]), answer.content[length:]


@pytest.fixture(scope="module")
def pngs(product: Any) -> list[bytes]:
    return [png for png, _ in product.pictures[:COUNT]]


@pytest.fixture(scope="module")
def told(product: Any) -> dict[str, Any]:
    """Return what the model's metadata says of its scores."""
    return dict(product.http.get(OIP).json()["parameters"]["scores"])


@pytest.fixture(scope="module")
def raw(product: Any, pngs: list[bytes], told: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the scores that each tensor door gives, shape (pictures, labels)."""
    pixels, name = tensor(pngs), told["output"]
    sent = {"name": "image", "shape": list(pixels.shape), "datatype": "FP32"}
    in_json = {"inputs": [{**sent, "data": pixels.ravel().tolist()}]}
    header = json.dumps(
        {
            "inputs": [{**sent, "parameters": {"binary_data_size": pixels.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    ranked = [{"name": name, "parameters": {"classification": 10}}]
    ranked_binary = [{"name": name, "parameters": {"classification": 10, "binary_data": True}}]
    pictures = [{"b64": b64encode(png).decode()} for png in pngs]

    post = product.http.post
    tensors = post(f"{OIP}/infer", json=in_json).json()["outputs"][0]["data"]
    _, binary = split(post(f"{OIP}/infer", content=header + pixels.tobytes(), headers={LENGTH: str(len(header))}))
    classes = post(f"{OIP}/infer", json={**in_json, "outputs": ranked}).json()["outputs"][0]["data"]
    _, strings = split(post(f"{OIP}/infer", json={**in_json, "outputs": ranked_binary}))
    rows = post(f"{TFS}:predict", json={"instances": pictures}).json()["predictions"]
    columns = post(f"{TFS}:predict", json={"inputs": {"image": pixels.tolist()}}).json()["outputs"]
    results = post(f"{TFS}:classify", json={"examples": [{"image": each} for each in pictures]}).json()["results"]

    return {
        "OIP, JSON": np.array(tensors, np.float32).reshape(COUNT, 10),
        "OIP, binary": np.frombuffer(binary, "<f4").reshape(COUNT, 10),
        "Triton's classes": by_index(classes),
        "Triton's classes, binary": by_index(
            [each.decode() for each in byte_strings(memoryview(strings), count=10 * COUNT, field="x")]
        ),
        "TFS, rows": np.array(rows, np.float32),
        "TFS, columns": np.array(columns, np.float32),
        "TFS, classify": np.array([[dict(each)[str(digit)] for digit in range(10)] for each in results], np.float32),
    }


def by_index(classes: list[str]) -> np.ndarray:
    """Return ``value:index:label`` of all labels as rows in the order of the index."""
    scores = np.full((COUNT, 10), np.nan)
    for place, text in enumerate(classes):
        value, index, label = text.split(":")
        assert label == index
        scores[place // 10, int(index)] = float(value)
    return scores


@pytest.fixture(scope="module")
def calibrated(product: Any, pngs: list[bytes]) -> dict[str, list[dict[str, float]]]:
    """Return the scores by label that each other door gives: ten at the media door, its best at the others."""
    post, encoded = product.http.post, [{"b64": b64encode(png).decode()} for png in pngs]
    one_by_one = [
        post(MEDIA, content=png, headers={"Content-Type": "image/png"}, params={"top_k": 10}).json() for png in pngs
    ]
    listed = post(MEDIA, json={"images": encoded}, params={"top_k": 10}).json()
    for place, png in enumerate(pngs):
        product.put(f"inbox/{TENANT}/digits/{place}.png", png)
    uploaded = [product.wait_for_json(f"results/{TENANT}/digits/{place}.png.json") for place in range(COUNT)]
    manifest = product.put_batch(TENANT, "scores", pngs)
    request = {
        "schema_version": 1, "id": "scores", "model": "digits", "lane": "cpu", "input": {"manifest_uri": manifest},
    }  # fmt: skip
    product.send_batch(json.dumps(request), tenant=TENANT)
    assert product.wait_for_job("scores", TENANT)["state"] == "SUCCEEDED"
    parts = sorted(product.keys(f"jobs/{TENANT}/scores/part-"))
    lines = [line for key in parts for line in decode_lines(product.read(key))]
    return {
        "media, one by one": [by_label(each["predictions"][0]["top"]) for each in one_by_one],
        "media, a list": [by_label(each["top"]) for each in listed["predictions"]],
        "uploads": [by_label(each["top"]) for each in uploaded],
        "batch": [by_label(each["top"]) for each in lines],
    }


def test_tensor_doors_give_the_numbers_of_the_model_s_file(raw: dict[str, np.ndarray]) -> None:
    exact = raw["OIP, JSON"]

    for door, scores in raw.items():
        atol = ROUNDED if door.startswith("Triton") else 0.0  # Triton writes classes with six digits
        np.testing.assert_allclose(scores, exact, rtol=0, atol=atol, err_msg=door)


def test_all_other_doors_give_them_calibrated_by_the_temperature_that_the_metadata_tells(
    raw: dict[str, np.ndarray], calibrated: dict[str, list[dict[str, float]]], told: dict[str, Any]
) -> None:
    powers = raw["OIP, JSON"].astype(np.float64) ** (1 / told["temperature"])
    expected = powers / powers.sum(axis=1, keepdims=True)

    # A temperature of 1 would show nothing.
    assert (told["activation"], told["temperature"] != 1.0) == ("none", True)
    assert np.abs(expected - raw["OIP, JSON"]).max() > 1e-3
    for door, pictures in calibrated.items():
        assert len(pictures) == COUNT
        for scores, row in zip(pictures, expected, strict=True):
            assert len(scores) >= (10 if door.startswith("media") else 5), door
            assert scores == pytest.approx({label: row[int(label)] for label in scores}, abs=ROUNDED), door
