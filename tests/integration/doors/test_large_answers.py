"""Answers over the limit are stored and linked; on a stack of its own, whose limit is 1,024 bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from lambent_toolkit.modelkit.demo_model import publish_demo_model
from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S

BODY = json.dumps(
    {"id": "mine", "inputs": [{"name": "image", "shape": [64, 28, 28, 1], "datatype": "FP32", "data": [0.5] * 50_176}]}
).encode()
PATH = "/v2/models/digits/infer"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with LocalStack(tmp_path_factory.mktemp("large"), parameters={"MaxAnswerBytes": "1024"}) as stack:
        publish_demo_model(stack.info)
        with httpx.Client(base_url=stack.info.url, headers={"x-api-key": stack.info.api_key}, timeout=60) as client:
            yield client


def is_whole(answer: httpx.Response) -> bool:
    (scores,) = answer.json()["outputs"]
    return (answer.json()["id"], scores["shape"], len(scores["data"])) == ("mine", [64, 10], 640)


def test_a_large_answer_is_a_link_that_gives_it(http: httpx.Client) -> None:
    answer = http.post(PATH, content=BODY, headers={"Accept-Encoding": "identity"})
    linked = httpx.get(answer.headers["location"], timeout=PATIENCE_S)

    reference = answer.json()
    assert (answer.status_code, reference["code"], reference["expires_s"]) == (303, "answer_stored", 900)
    assert reference["url"] == answer.headers["location"]
    assert reference["size_bytes"] == len(linked.content)
    assert linked.headers["content-type"] == reference["content_type"] == "application/json"
    assert is_whole(linked)
    assert answer.headers["lambent-model"] == "digits@1"


def test_the_link_is_signed_and_ends(http: httpx.Client) -> None:
    answer = http.post(PATH, content=BODY, headers={"Accept-Encoding": "identity"})

    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["900"]


def test_a_client_that_follows_redirects_notices_nothing(http: httpx.Client) -> None:
    answer = http.post(PATH, content=BODY, headers={"Accept-Encoding": "identity"}, follow_redirects=True)

    assert is_whole(answer)


def test_a_large_result_of_a_call_for_later_is_a_link_too(http: httpx.Client) -> None:
    accepted = http.post(PATH, content=BODY, headers={"Prefer": "respond-async"})
    address = f"{accepted.url.join(accepted.headers['location'])}/result"
    result = http.get(address)
    while result.status_code == 409:
        result = http.get(address)

    assert (result.status_code, result.json()["code"]) == (303, "answer_stored")
    assert is_whole(httpx.get(result.headers["location"], timeout=PATIENCE_S))


def test_a_small_answer_is_answered(http: httpx.Client) -> None:
    tensor = {"name": "image", "shape": [1, 28, 28, 1], "datatype": "FP32", "data": [0.5] * 784}

    answer = http.post(PATH, json={"inputs": [tensor]})

    assert (answer.status_code, answer.json()["outputs"][0]["shape"]) == (200, [1, 10])
