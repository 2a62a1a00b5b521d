"""Door 1: HTTP, over the wire."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import numpy as np
import pytest
from published import publish_shade

from lambent.domain.postprocessing import activate
from lambent.domain.preprocessing import make_preprocessor
from lambent.runtime.http_errors import CHALLENGE
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.recipes import digits
from patience import PATIENCE_S

LEAKS = re.compile(r"arn:aws|s3://|/var/|/opt/|/tmp/|Traceback|lambent-local|site-packages|\.py\b", re.IGNORECASE)


def tensor(png: bytes) -> list[float]:
    return make_preprocessor(digits.CONTRACT, {}).prepare(png)["image"].ravel().tolist()


def infer_body(data: list[float], shape: list[int]) -> bytes:
    return json.dumps({"inputs": [{"name": "image", "shape": shape, "datatype": "FP32", "data": data}]}).encode()


def test_a_png_gets_its_label_its_version_and_its_timings(product: Any) -> None:
    answer = product.http.post(
        "/models/digits/predict", content=product.seven, headers={"Content-Type": "image/png"}, params={"top_k": 3}
    )

    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert body["predictions"][0]["label"] == "7"
    assert len(body["predictions"][0]["top"]) == 3
    assert body["usage"] == {"items": 1, "input_bytes": len(product.seven)}
    assert answer.headers["lambent-model"] == f"digits@{body['version']}"
    assert re.search(r"preprocess;dur=[\d.]+, infer;dur=[\d.]+", answer.headers["server-timing"])


def test_picture_gets_the_scores_of_its_tensor_at_the_contract_s_temperature(product: Any) -> None:
    media = product.http.post(
        "/models/digits/predict", content=product.seven, headers={"Content-Type": "image/png"}, params={"top_k": 10}
    ).json()

    answer = product.http.post("/v2/models/digits/infer", content=infer_body(tensor(product.seven), [1, 28, 28, 1]))

    (scores,) = answer.json()["outputs"]
    spec = build_demo_model(default_cache_dir()).contract.postprocessing
    told = activate(np.array([scores["data"]]), spec)[0]
    by_label = {entry["label"]: entry["score"] for entry in media["predictions"][0]["top"]}
    assert answer.json()["model_name"] == "digits"
    assert spec.temperature != 1
    assert [by_label[str(digit)] for digit in range(10)] == pytest.approx(told, abs=1e-6)


def test_a_batch_of_rows_gets_a_batch_of_answers(product: Any) -> None:
    pictures = product.pictures[:8]
    data = [value for png, _ in pictures for value in tensor(png)]

    answer = product.http.post("/v2/models/digits/infer", content=infer_body(data, [8, 28, 28, 1])).json()

    (scores,) = answer["outputs"]
    rows = [scores["data"][start : start + 10] for start in range(0, 80, 10)]
    assert scores["shape"] == [8, 10]
    assert [str(row.index(max(row))) for row in rows] == product.told[:8]


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/digits", "/v2/models/digits/ready"]
)
def test_protocol_reads_answer_200(product: Any, path: str) -> None:
    answer = product.http.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


def test_versions_and_labels_are_accepted_in_the_path(product: Any) -> None:
    body = infer_body(tensor(product.seven), [1, 28, 28, 1])

    answers = [
        product.http.post(f"/v2/models/digits{chosen}/infer", content=body)
        for chosen in ("", "/versions/1", "/versions/live")
    ]

    assert [answer.json()["model_version"] for answer in answers] == ["1", "1", "1"]


def test_the_model_is_listed_with_its_versions_and_labels(product: Any) -> None:
    assert "digits" in product.http.get("/models").json()["models"]
    described = product.http.get("/models/digits").json()
    assert described.pop("card")["version"] == "1"
    assert described == {
        "name": "digits",
        "versions": ["1"],
        "labels": {"live": "1"},
        "canaries": {},
        "retired": [],
    }


def test_a_model_shows_its_card_and_without_one_how_to_get_one(product: Any) -> None:
    for name, card in (("with-card", "# with-card\n\nDark or bright, ½ each.\n"), ("without-card", None)):
        ref = publish_shade(product.info, name=name, card=card)
        Publisher(product.info).set_label(name, "live", ref.version)

    shown, bare = (product.http.get(f"/models/{name}").json()["card"] for name in ("with-card", "without-card"))
    of_version = product.http.get("/models/with-card/versions/1").json()
    as_text = product.http.get("/models/with-card", headers={"Accept": "text/markdown"})
    missing = product.http.get("/models/without-card", headers={"Accept": "text/markdown"})

    assert shown == of_version["card"] == {"version": "1", "markdown": as_text.text, "error": None}
    assert as_text.text == "# with-card\n\nDark or bright, ½ each.\n"
    assert as_text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert [file["name"] for file in of_version["files"]] == ["card.md", "contract.json", "golden.npz", "model.tflite"]
    assert (bare["markdown"], bare["error"]["code"]) == (None, "card_not_found")
    assert (missing.status_code, missing.json()["code"]) == (404, "card_not_found")


PNG = {"Content-Type": "image/png"}
INFER = "/v2/models/digits/infer"
PREDICT = "/models/digits/predict"
# case → request, status, code
BAD_REQUESTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown model": (
        {"url": "/v2/models/nobody/infer", "content": infer_body([0], [1, 1])},
        404,
        "model_not_found",
    ),
    "unknown version": (
        {"url": "/models/digits/versions/99/predict", "content": b"x", "headers": PNG},
        404,
        "model_not_found",
    ),
    "odd name": ({"url": "/models/Digits!/predict", "content": b"x", "headers": PNG}, 400, "name_invalid"),
    "wrong shape": ({"url": INFER, "content": infer_body([0] * 64, [1, 8, 8, 1])}, 422, "tensor_shape_mismatch"),
    "too little data": ({"url": INFER, "content": infer_body([0] * 3, [1, 28, 28, 1])}, 422, "tensor_shape_mismatch"),
    "not JSON": ({"url": INFER, "content": b"{not json"}, 400, "json_invalid"),
    "not an image": ({"url": PREDICT, "content": b"a text", "headers": PNG}, 415, "image_format_unsupported"),
    "wrong type": (
        {"url": PREDICT, "content": b"x", "headers": {"Content-Type": "text/html"}},
        415,
        "media_type_unsupported",
    ),
    "empty image": ({"url": PREDICT, "content": b"", "headers": PNG}, 422, "source_empty"),
    "over the door's limit": ({"url": PREDICT, "content": bytes(4_660_000), "headers": PNG}, 413, "payload_too_large"),
    "over the gateway's limit": (
        {"url": PREDICT, "content": bytes(11_000_000), "headers": PNG},
        413,
        "payload_too_large",
    ),
    "bad top_k": (
        {"url": PREDICT, "content": b"x", "headers": PNG, "params": {"top_k": "many"}},
        422,
        "request_invalid",
    ),
    "unknown route": ({"url": "/nowhere", "content": b""}, 404, "route_not_found"),
    "unknown data plane route": ({"url": "/v2/nowhere", "content": b""}, 404, "route_not_found"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_request_gets_its_coded_answer(product: Any, case: str) -> None:
    request, status, code = BAD_REQUESTS[case]

    answer = product.http.post(**request)

    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert {"type", "title", "status", "detail", "error", "field", "limit", "got", "request_id", "retryable"} <= set(
        body
    )
    assert body["error"] == body["detail"]
    assert not LEAKS.search(answer.text)


def test_a_truncated_image_is_told_apart_from_what_is_none(product: Any) -> None:
    answer = product.http.post(
        "/models/digits/predict",
        content=product.seven[: len(product.seven) // 2],
        headers={"Content-Type": "image/png"},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "image_corrupt")


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}])
def test_no_or_a_wrong_key_is_refused_in_the_same_shape(product: Any, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{product.info.url}/v2/models/digits", headers=headers, timeout=PATIENCE_S)

    assert (answer.status_code, answer.json()["code"]) == (401, "auth_invalid")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"] == CHALLENGE


def test_a_job_over_http_runs_and_is_shown(product: Any) -> None:
    tenant = "default"
    manifest = product.put_batch(tenant, "over-http", [png for png, _ in product.pictures[:5]])
    request = {
        "schema_version": 1,
        "id": "over-http",
        "model": "digits",
        "lane": "cpu",
        "input": {"manifest_uri": manifest},
    }

    accepted = product.http.post("/jobs", json=request)
    repeated = product.http.post("/jobs", json=request)
    other = product.http.post("/jobs", json={**request, "lane": "auto"})
    job = product.wait_for_job("over-http", tenant)
    shown = product.http.get(accepted.url.join(accepted.headers["location"])).json()

    assert (accepted.status_code, repeated.status_code) == (202, 202)
    assert (other.status_code, other.json()["code"]) == (422, "job_id_reused")
    assert shown == job
    assert (shown["state"], shown["done"], shown["failed"], shown["lane"], shown["version"]) == (
        "SUCCEEDED",
        5,
        0,
        "cpu",
        "1",
    )


def test_an_unknown_job_is_not_found(product: Any) -> None:
    answer = product.http.get("/jobs/nothing")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
