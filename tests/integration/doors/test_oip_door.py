"""The Open Inference Protocol over the wire, as any HTTP client speaks it."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest

from lambent.contracts.tensor_binary import byte_strings, join_byte_strings
from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.recipes import digits

INFER = "/v2/models/digits/infer"
LENGTH = "Inference-Header-Content-Length"
SHAPE = (3, 28, 28, 1)


@dataclass(frozen=True)
class Digits:
    """Three pictures, their tensor and what the model says about them."""

    pictures: list[bytes]
    tensor: np.ndarray
    scores: np.ndarray


@pytest.fixture(scope="module")
def three(product: Any) -> Digits:
    pictures = [png for png, _ in product.pictures[:3]]
    preprocessor = make_preprocessor(digits.CONTRACT, {})
    tensor = preprocessor.collate([preprocessor.prepare(png) for png in pictures])["image"]
    answer = product.http.post(INFER, json={"inputs": [json_tensor(tensor.ravel().tolist())]})
    return Digits(pictures, tensor, np.array(answer.json()["outputs"][0]["data"]).reshape(3, 10))


def json_tensor(data: list, **changes: Any) -> dict[str, Any]:
    return {"name": "image", "shape": list(SHAPE), "datatype": "FP32", "data": data, **changes}


def binary_body(tensor: np.ndarray, **request: Any) -> tuple[bytes, dict[str, str]]:
    """Return what tritonclient sends: no Content-Type, the length of the JSON, the tensor's bytes."""
    sent = {
        "name": "image",
        "shape": list(tensor.shape),
        "datatype": "FP32",
        "parameters": {"binary_data_size": tensor.nbytes},
    }
    header = json.dumps({"inputs": [sent], **request}).encode()
    return header + tensor.tobytes(), {LENGTH: str(len(header))}


def split(answer: httpx.Response) -> tuple[dict[str, Any], bytes]:
    length = int(answer.headers[LENGTH])
    return json.loads(answer.content[:length]), answer.content[length:]


def test_nested_and_flat_json_get_the_same_numbers(product: Any, three: Digits) -> None:
    nested = product.http.post(INFER, json={"id": "mine", "inputs": [json_tensor(three.tensor.tolist())]})

    assert nested.status_code == 200
    assert nested.headers["content-type"] == "application/json"
    assert nested.json()["id"] == "mine"
    assert np.array_equal(np.array(nested.json()["outputs"][0]["data"]).reshape(3, 10), three.scores)


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "application/json"])
def test_binary_in_and_out(product: Any, three: Digits, content_type: str | None) -> None:
    body, headers = binary_body(three.tensor, parameters={"binary_data_output": True})
    headers |= {"Content-Type": content_type} if content_type else {}

    answer = product.http.post(INFER, content=body, headers=headers)

    header, data = split(answer)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert header["outputs"][0]["parameters"] == {"binary_data_size": 120}
    np.testing.assert_allclose(np.frombuffer(data, "<f4").reshape(3, 10), three.scores, atol=1e-6)


def test_each_output_says_for_itself_how_it_wants_to_travel(product: Any, three: Digits) -> None:
    name = digits.CONTRACT.outputs[0].name
    body, headers = binary_body(
        three.tensor,
        parameters={"binary_data_output": True},
        outputs=[{"name": name, "parameters": {"binary_data": False}}],
    )

    answer = product.http.post(INFER, content=body, headers=headers)

    assert LENGTH not in answer.headers
    assert answer.json()["outputs"][0]["shape"] == [3, 10]


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_requests_are_taken(product: Any, three: Digits, coding: str, compress: Any) -> None:
    body, headers = binary_body(three.tensor)

    answer = product.http.post(INFER, content=compress(body), headers={**headers, "Content-Encoding": coding})

    assert (answer.status_code, answer.json()["outputs"][0]["shape"]) == (200, [3, 10])


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_large_answers_are_compressed_for_a_client_that_takes_it(product: Any, three: Digits, coding: str) -> None:
    body, headers = binary_body(np.repeat(three.tensor, 300, axis=0))

    plain = product.http.post(INFER, content=body, headers={**headers, "Accept-Encoding": "identity"})
    packed = product.http.post(INFER, content=body, headers={**headers, "Accept-Encoding": coding})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == coding
    assert int(packed.headers["content-length"]) < len(plain.content)
    assert packed.json()["outputs"] == plain.json()["outputs"]


def test_pictures_instead_of_tensors(product: Any, three: Digits) -> None:
    raw = {"name": "image", "shape": [3], "datatype": "BYTES"}
    encoded = [base64.b64encode(png).decode() for png in three.pictures]
    chunk = join_byte_strings(three.pictures)
    header = json.dumps({"inputs": [{**raw, "parameters": {"binary_data_size": len(chunk)}}]}).encode()

    as_json = product.http.post(INFER, json={"inputs": [{**raw, "data": encoded}]})
    as_binary = product.http.post(INFER, content=header + chunk, headers={LENGTH: str(len(header))})

    for answer in (as_json, as_binary):
        scores = np.array(answer.json()["outputs"][0]["data"]).reshape(3, 10)
        np.testing.assert_allclose(scores, three.scores, atol=1e-6)


def test_best_classes_instead_of_numbers(product: Any, three: Digits) -> None:
    name = digits.CONTRACT.outputs[0].name
    body, headers = binary_body(
        three.tensor, outputs=[{"name": name, "parameters": {"classification": 2, "binary_data": True}}]
    )

    header, data = split(product.http.post(INFER, content=body, headers=headers))

    best = [each.decode().split(":") for each in byte_strings(memoryview(data), count=6, field="x")]
    assert (header["outputs"][0]["datatype"], header["outputs"][0]["shape"]) == ("BYTES", [3, 2])
    assert [int(index) for _, index, _ in best[::2]] == three.scores.argmax(axis=1).tolist()
    assert all(label == index for _, index, label in best)


# case → content, headers, status, code, field
BODY = json.dumps({"inputs": [json_tensor([0.0] * 2352)]}).encode()
SIZED = json.dumps({"inputs": [{**json_tensor([]), "parameters": {"binary_data_size": 9408}}]}).encode()
BOMB = gzip.compress(bytes(200_000_000), 1)
UNSIZED = SIZED.replace(b'"data": [], ', b"")
REFUSED: dict[str, tuple[bytes, dict[str, str], int, str, str]] = {
    "header length beyond the body": (BODY, {LENGTH: "99999"}, 422, "request_invalid", LENGTH),
    "header length not a number": (BODY, {LENGTH: "many"}, 422, "request_invalid", LENGTH),
    "bytes left over": (UNSIZED + bytes(9409), {LENGTH: str(len(UNSIZED))}, 422, "request_invalid", "inputs"),
    "bytes missing": (UNSIZED + bytes(9407), {LENGTH: str(len(UNSIZED))}, 422, "request_invalid", "inputs"),
    "data and bytes": (SIZED + bytes(9408), {LENGTH: str(len(SIZED))}, 422, "request_invalid", "inputs[0]"),
    "NaN": (BODY.replace(b"0.0", b"NaN", 1), {}, 400, "json_invalid", "line 1, column 85"),
    "infinite as FP32": (BODY.replace(b"0.0", b"1e39", 1), {}, 422, "tensor_dtype_mismatch", "inputs[0].data"),
    "a string among numbers": (BODY.replace(b"0.0", b'"0"', 1), {}, 422, "tensor_dtype_mismatch", "inputs[0].data"),
    "another datatype": (BODY.replace(b"FP32", b"INT8"), {}, 422, "tensor_dtype_mismatch", "inputs[0].datatype"),
    "too few numbers": (BODY.replace(b"0.0, ", b"", 1), {}, 422, "tensor_shape_mismatch", "inputs[0].data"),
    "another type": (BODY, {"Content-Type": "text/html"}, 415, "media_type_unsupported", "Content-Type"),
    "another coding": (BODY, {"Content-Encoding": "br"}, 415, "media_type_unsupported", "Content-Encoding"),
    "not gzip": (BODY, {"Content-Encoding": "gzip"}, 400, "content_encoding_invalid", "Content-Encoding"),
    "a gzip bomb": (BOMB, {"Content-Encoding": "gzip"}, 413, "payload_too_large", "body"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_does_not_add_up_is_refused_where_it_is_wrong(product: Any, case: str) -> None:
    content, headers, status, code, field = REFUSED[case]

    answer = product.http.post(INFER, content=content, headers=headers)

    body = answer.json()
    assert (answer.status_code, body["code"], str(body["field"])) == (status, code, field)
    assert answer.headers["content-type"] == "application/json"
    assert body["error"] == body["detail"]


def test_the_server_and_the_model_tell_about_themselves(product: Any) -> None:
    server = product.http.get("/v2").json()
    model = product.http.get("/v2/models/digits/versions/live").json()
    configuration = product.http.get("/v2/models/digits/config").json()

    assert "binary_tensor_data" in server["extensions"]
    assert product.http.get("/v2/").json() == server
    assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 28, 28, 1]}]
    assert model["parameters"]["raw_inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert configuration["input"] == [{"name": "image", "data_type": "TYPE_FP32", "dims": [28, 28, 1]}]


def test_statistics_have_tritons_fields(product: Any, three: Digits) -> None:
    body, headers = binary_body(three.tensor)
    product.http.post(INFER, content=body, headers=headers)

    # Other tests may have published further versions.
    entry = product.http.get("/v2/models/digits/stats").json()["model_stats"][0]

    assert (entry["name"], entry["version"]) == ("digits", "1")
    assert {"last_inference", "inference_count", "execution_count", "batch_stats", "memory_usage"} <= set(entry)
    assert set(entry["inference_stats"]) == {
        "success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss",
    }  # fmt: skip


def test_a_mistyped_name_is_told_the_right_one(product: Any) -> None:
    answer = product.http.get("/v2/models/digts/ready")

    # The nearest comes first; other tests may have published models whose names are near as well.
    assert (answer.status_code, answer.json()["limit"][0]) == (404, "digits")


@pytest.fixture
def loaded_again(product: Any) -> Iterator[None]:
    yield
    product.http.post("/v2/repository/models/digits/load")


@pytest.mark.usefixtures("loaded_again")
def test_a_model_is_unloaded_and_loaded_for_every_environment(product: Any, three: Digits) -> None:
    body, headers = binary_body(three.tensor)

    unloaded = product.http.post(
        "/v2/repository/models/digits/unload", json={"parameters": {"unload_dependents": False}}
    )
    refused = product.wait_for_status(INFER, 503, content=body, headers=headers)
    states = {each["name"]: each["state"] for each in product.http.post("/v2/repository/index").json()}
    loaded = product.http.post("/v2/repository/models/digits/load")
    answered = product.http.post(INFER, content=body, headers=headers)

    assert (unloaded.status_code, unloaded.json()) == (200, {})
    assert refused.json()["code"] == "model_not_ready"
    assert states["digits"] == "UNAVAILABLE"
    assert (loaded.status_code, loaded.json()) == (200, {})
    assert answered.status_code == 200


def test_floats_survive_the_way_in_and_out_bit_by_bit(product: Any, three: Digits) -> None:
    body, headers = binary_body(three.tensor, parameters={"binary_data_output": True})

    _, data = split(product.http.post(INFER, content=body, headers=headers))

    from_json = struct.pack("<30f", *three.scores.ravel())
    assert data == from_json
