"""``Prefer: respond-async`` over the wire, by every protocol; keys that make a repeat harmless; answers by link."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.recipes import digits

PNG = {"Content-Type": "image/png"}
ASYNC = {"Prefer": "respond-async"}


def rows(png: bytes, count: int = 1) -> list[Any]:
    arrays = make_preprocessor(digits.CONTRACT, {}).prepare(png)
    return [arrays["image"].tolist()] * count


def infer(png: bytes, count: int = 1) -> bytes:
    tensor = {"name": "image", "shape": [count, 28, 28, 1], "datatype": "FP32", "data": rows(png, count)}
    return json.dumps({"id": "mine", "inputs": [tensor]}).encode()


def ended(product: Any, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    product.wait_for_job(answer.json()["id"], "default")
    return product.http.get(answer.url.join(answer.headers["location"])).json()


def test_a_picture_is_answered_later_as_it_is_at_once(product: Any) -> None:
    sent: dict[str, Any] = {"url": "/models/digits/predict", "content": product.seven, "params": {"top_k": 3}}
    at_once = product.http.post(**sent, headers=PNG)

    accepted = product.http.post(**sent, headers=PNG | ASYNC)
    job = ended(product, accepted)
    result = product.http.get(job["result"])

    assert accepted.headers["preference-applied"] == "respond-async"
    assert (accepted.json()["kind"], accepted.json()["state"], accepted.json()["total"]) == ("call", "QUEUED", 1)
    assert (job["state"], job["done"], job["failed"], job["version"]) == ("SUCCEEDED", 1, 0, "1")
    assert result.json() == at_once.json()
    assert result.headers["lambent-model"] == at_once.headers["lambent-model"]
    assert result.headers["content-type"] == "application/json"


@pytest.mark.parametrize("version", ["", "/versions/1", "/versions/live"])
def test_the_inference_protocol_too(product: Any, version: str) -> None:
    path, body = f"/v2/models/digits{version}/infer", infer(product.seven)

    job = ended(product, product.http.post(path, content=body, headers=ASYNC))

    assert product.http.get(job["result"]).json() == product.http.post(path, content=body).json()


def test_tensorflow_serving_too(product: Any) -> None:
    path, body = "/v1/models/digits:predict", json.dumps({"instances": rows(product.seven)}).encode()

    job = ended(product, product.http.post(path, content=body, headers=ASYNC))

    assert product.http.get(job["result"]).json() == product.http.post(path, content=body).json()


def test_a_binary_answer_keeps_its_header(product: Any) -> None:
    body = json.loads(infer(product.seven)) | {"parameters": {"binary_data_output": True}}

    job = ended(product, product.http.post("/v2/models/digits/infer", json=body, headers=ASYNC))
    result = product.http.get(job["result"])

    size = int(result.headers["inference-header-content-length"])
    assert json.loads(result.content[:size])["outputs"][0]["parameters"] == {"binary_data_size": 40}
    assert len(result.content) == size + 40


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "code"),
    [
        ("/models/digits/predict", b"a text", PNG, 415, "image_format_unsupported"),
        ("/models/digits/predict", b"x", {"Content-Type": "text/html"}, 415, "media_type_unsupported"),
        ("/v2/models/digits/infer", b"{not json", {}, 400, "json_invalid"),
    ],
)
def test_a_bad_call_ends_with_what_the_door_would_have_answered(
    product: Any, path: str, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    at_once = product.http.post(path, content=content, headers=headers)

    job = ended(product, product.http.post(path, content=content, headers=headers | ASYNC))
    result = product.http.get(job["result"])

    assert (at_once.status_code, result.status_code, result.json()["code"]) == (status, status, code)
    assert (job["state"], job["failed"], job["error"]["code"]) == ("FAILED", 1, code)
    assert job["error"]["detail"] == at_once.json()["detail"]


@pytest.mark.parametrize("path", ["/models/nobody/predict", "/models/digits/labels/beta/predict"])
def test_an_unknown_model_is_refused_before_anything_is_stored(product: Any, path: str) -> None:
    answer = product.http.post(path, content=product.seven, headers=PNG | ASYNC)

    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


def test_racers_with_one_key_get_one_job_and_one_answer(product: Any) -> None:
    headers = PNG | ASYNC | {"Idempotency-Key": "door-race"}
    start = threading.Barrier(8)

    def race(_: int) -> httpx.Response:
        start.wait()
        return product.http.post("/models/digits/predict", content=product.seven, headers=headers)

    with ThreadPoolExecutor(8) as racers:
        answers = list(racers.map(race, range(8)))
    other = product.http.post("/models/digits/predict", content=product.pictures[0][0], headers=headers)

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.content for answer in answers} == {answers[0].content}
    job_id = answers[0].json()["id"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert other.json()["got"] == {"first_used_at": answers[0].json()["created_at"], "job_id": job_id}
    assert product.wait_for_job(job_id, "default")["done"] == 1


def test_a_batch_is_named_by_its_key(product: Any) -> None:
    manifest = product.put_batch("default", "keyed", [png for png, _ in product.pictures[:3]])
    request = {"schema_version": 1, "model": "digits", "lane": "cpu", "input": {"manifest_uri": manifest}}
    headers = {"Idempotency-Key": "door-batch"}
    start = threading.Barrier(8)

    def race(_: int) -> httpx.Response:
        start.wait()
        return product.http.post("/jobs", json=request, headers=headers)

    with ThreadPoolExecutor(8) as racers:
        answers = list(racers.map(race, range(8)))
    other = product.http.post("/jobs", json={**request, "lane": "auto"}, headers=headers)
    nameless = product.http.post("/jobs", json=request)

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert (nameless.status_code, nameless.json()["field"]) == (422, "id")
    assert product.wait_for_job(answers[0].json()["id"], "default")["done"] == 3


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"tenant": "other"}, "field_not_allowed", "tenant"),
        ({"callback_url": "http://169.254.169.254/"}, "field_not_allowed", "callback_url"),
        ({"input": {"manifest_uri": "https://example.com/x"}}, "callback_url_refused", "input.manifest_uri"),
        ({"input": {"manifest_uri": "s3://elsewhere/inputs/default/x"}}, "callback_url_refused", "input.manifest_uri"),
    ],
)
def test_a_batch_that_reaches_elsewhere_is_refused(product: Any, changes: dict, code: str, field: str) -> None:
    request = {"schema_version": 1, "id": "reach", "model": "digits", "input": {"manifest_uri": "s3://x/y"}, **changes}

    answer = product.http.post("/jobs", json=request)

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)


def test_a_call_that_was_recorded_but_never_enqueued_is_healed_by_the_sweep(product: Any) -> None:
    answer = product.http.post("/models/digits/predict", content=product.seven, headers=PNG | ASYNC)
    job = ended(product, answer)
    key = {"pk": f"JOB#default#{job['id']}", "sk": "JOB"}
    # As a crash between record and message leaves it: queued, on the list of open jobs, nothing written.
    for name in product.keys(f"jobs/default/{job['id']}/"):
        if "/body-" not in name:
            product.s3.delete_object(Bucket=product.data, Key=name)
    product.table.update_item(
        Key=key,
        UpdateExpression="SET #state = :queued, open_pk = :open, updated_at = :past REMOVE final_done, final_failed",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":queued": "QUEUED", ":open": "OPEN", ":past": "2026-01-01T00:00:00.000Z"},
    )

    # The schedule's own sweep may be the one that finds it.
    product.invoke("sweep", {})
    job = product.wait_for_job(job["id"], "default")

    assert job["state"] == "SUCCEEDED"
    assert product.http.get(f"/jobs/{job['id']}/result").json()["predictions"][0]["label"] == "7"


def test_a_foreign_result_answers_as_an_unknown_one(product: Any) -> None:
    event = {
        "resource": "/jobs/{id}/result",
        "path": "/jobs/none/result",
        "pathParameters": {"id": "none"},
        "httpMethod": "GET",
        "headers": {},
        "requestContext": {"requestId": "r", "identity": {"apiKeyId": "event-key-id"}},
    }
    mine = product.http.post("/models/digits/predict", content=product.seven, headers=PNG | ASYNC).json()["id"]

    of_mine = {"path": f"/jobs/{mine}/result", "pathParameters": {"id": mine}}
    foreign = product.invoke("jobs", {**event, **of_mine})
    unknown = product.invoke("jobs", event)

    assert foreign["statusCode"] == 404
    assert foreign["body"] == unknown["body"]
