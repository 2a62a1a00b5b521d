"""The HTTP door of the local stack: keys, limits, errors, events."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S, wait_for

MIB = 1024 * 1024
# A rate so low that no request comes back into the bucket, however long the test takes.
ONLY_FIVE = {"Rate": "0.0001", "Burst": "5"}


@pytest.fixture
def http(machinery: LocalStack) -> Iterator[httpx.Client]:
    headers = {"x-api-key": machinery.info.api_key}
    with httpx.Client(base_url=machinery.info.url, headers=headers, timeout=PATIENCE_S) as client:
        yield client


@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"x-api-key": "wrong"}])
def test_no_or_wrong_key_gets_the_templates_answer(machinery: LocalStack, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{machinery.info.url}/do", json={}, headers=headers, timeout=PATIENCE_S)

    body = answer.json()
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/json"
    assert (body["code"], body["detail"]) == ("no_key", "Forbidden")
    assert body["request_id"] == answer.headers["x-amzn-requestid"]


def test_route_without_a_key_requirement_is_open(machinery: LocalStack) -> None:
    answer = httpx.get(f"{machinery.info.url}/open", timeout=PATIENCE_S)

    identity = answer.json()["event"]["requestContext"]["identity"]
    assert answer.status_code == 200
    assert (identity["apiKey"], identity["apiKeyId"]) == (None, None)


def test_key_made_later_counts_once_it_is_in_the_plan(machinery: LocalStack) -> None:
    client = machinery.client("apigateway")
    plan = machinery.info.resources["UsagePlan"]
    key = client.create_api_key(name="second", enabled=True)

    refused = httpx.post(f"{machinery.info.url}/do", json={}, headers={"x-api-key": key["value"]}, timeout=PATIENCE_S)
    client.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")

    assert refused.status_code == 403
    wait_for(
        lambda: (
            httpx.post(
                f"{machinery.info.url}/do", json={}, headers={"x-api-key": key["value"]}, timeout=PATIENCE_S
            ).is_success
        ),
        what="the new key's acceptance",
    )


def test_unknown_path_and_unknown_method_get_the_templates_answer(http: httpx.Client) -> None:
    answers = [http.get("/nowhere"), http.delete("/do"), http.get("/")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert [answer.json() for answer in answers] == 3 * [{"code": "no_route"}]


def test_event_carries_path_query_headers_and_key_id(machinery: LocalStack, http: httpx.Client) -> None:
    answer = http.get("/look/a%20b?x=1&x=2&y=", headers=[("X-Many", "1"), ("X-Many", "2")])

    event = answer.json()["event"]
    assert event["resource"] == "/look/{name}"
    assert event["path"] == "/look/a%20b"
    assert event["pathParameters"] == {"name": "a b"}
    assert event["queryStringParameters"] == {"x": "2", "y": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
    assert event["multiValueHeaders"]["X-Many"] == ["1", "2"]
    assert event["requestContext"]["identity"]["apiKeyId"] == machinery.info.api_key_id
    assert event["requestContext"]["stage"] == "test"
    assert event["requestContext"]["requestId"] == answer.headers["x-amzn-requestid"]
    assert event["body"] is None


def test_the_apis_address_ends_with_its_stage_and_a_function_is_told_both_paths(
    machinery: LocalStack, http: httpx.Client
) -> None:
    event = http.get("/look/a").json()["event"]

    assert urlsplit(machinery.info.url).path == "/test"
    assert event["path"] == "/look/a"
    assert event["requestContext"]["path"] == "/test/look/a"


@pytest.mark.parametrize("path", ["/", "/look/a", "/tester/look/a", "/other/look/a"])
def test_outside_the_stage_everything_is_forbidden_in_awss_own_words(machinery: LocalStack, path: str) -> None:
    host = machinery.info.url.removesuffix("/test")

    answer = httpx.get(host + path, headers={"x-api-key": machinery.info.api_key}, timeout=PATIENCE_S)

    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})
    assert answer.headers["x-amzn-errortype"] == "ForbiddenException"


def test_proxy_route_takes_deeper_paths_and_any_method(http: httpx.Client) -> None:
    event = http.put("/look/a/b/c", content=b"x").json()["event"]

    assert event["resource"] == "/look/{proxy+}"
    assert event["pathParameters"] == {"proxy": "a/b/c"}
    assert event["httpMethod"] == "PUT"


@pytest.mark.parametrize(("media_type", "is_base64"), [("image/png", True), ("application/json", False)])
def test_body_is_base64_for_binary_media_types_only(http: httpx.Client, media_type: str, is_base64: bool) -> None:
    event = http.put("/look/a/b", content=b"picture", headers={"Content-Type": media_type}).json()["event"]

    assert event["isBase64Encoded"] is is_base64
    assert event["body"] == (base64.b64encode(b"picture").decode() if is_base64 else "picture")


@pytest.mark.parametrize(("accept", "body"), [("image/png", b"\x89PNG"), ("text/plain", b"iVBORw==")])
def test_binary_answer_is_decoded_when_accept_says_so(http: httpx.Client, accept: str, body: bytes) -> None:
    encoded = base64.b64encode(b"\x89PNG").decode()
    raw = {"statusCode": 201, "headers": {"Content-Type": "image/png"}, "body": encoded, "isBase64Encoded": True}

    answer = http.post("/do", json={"do": "raw", "raw": raw}, headers={"Accept": accept})

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (201, body, "image/png")


@pytest.mark.parametrize(
    "raw",
    [
        [1],
        {"body": "no status"},
        {"statusCode": "ok"},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "extra": 1},
    ],
)
def test_malformed_function_answer_has_the_status_of_its_family(http: httpx.Client, raw: object) -> None:
    answer = http.post("/do", json={"do": "raw", "raw": raw})

    assert answer.status_code == 503
    assert answer.json() == {"code": "DEFAULT_5XX"}


@pytest.mark.parametrize(("path", "do"), [("/do", "exit"), ("/do", "fail"), ("/hasty", "hang")])
def test_crash_exception_and_timeout_of_a_function_have_the_status_of_their_family(
    http: httpx.Client, path: str, do: str
) -> None:
    assert http.post(path, json={"do": do}).status_code == 503


def test_answer_above_six_megabytes_has_the_status_of_its_family(http: httpx.Client) -> None:
    assert http.post("/do", json={"do": "big", "bytes": 7 * MIB}).status_code == 503


@pytest.mark.parametrize("size", [7 * MIB, 11 * MIB])
def test_body_above_lambdas_or_the_gateways_limit_is_413(http: httpx.Client, size: int) -> None:
    answer = http.put("/look/a/b", content=b"x" * size)

    assert answer.status_code == 413


def test_usage_plan_throttles_with_the_templates_header(tmp_path: Path) -> None:
    root = Path(__file__).parent / "fixtures" / "machinery"

    with LocalStack(tmp_path, root=root, parameters=ONLY_FIVE) as slow, ThreadPoolExecutor(10) as threads:
        key = {"x-api-key": slow.info.api_key}
        answers = list(
            threads.map(
                lambda _: httpx.post(f"{slow.info.url}/do", json={}, headers=key, timeout=PATIENCE_S), range(20)
            )
        )

    throttled = [answer for answer in answers if answer.status_code == 429]
    assert len(throttled) == 15
    assert {answer.headers["retry-after"] for answer in throttled} == {"7"}
    assert {answer.status_code for answer in answers} == {200, 429}


def test_above_the_accounts_concurrency_a_client_gets_an_internal_error_and_later_an_answer(tmp_path: Path) -> None:
    root = Path(__file__).parent / "fixtures" / "machinery"

    # One for all functions but the one that reserves its own.
    with LocalStack(tmp_path / "state", root=root, account_concurrency=2) as small, ThreadPoolExecutor(1) as thread:
        busy = {"do": "meet", "place": str(tmp_path), "until": "over", "of": 1}

        def ask(**wish: object) -> httpx.Response:
            headers = {"x-api-key": small.info.api_key}
            return httpx.post(f"{small.info.url}/do", json=wish, headers=headers, timeout=PATIENCE_S)

        first = thread.submit(ask, **busy)
        wait_for(lambda: list(tmp_path.glob("here-*")), what="the first call")
        throttled = ask()
        (tmp_path / "over").touch()

        assert _is_throttled(throttled)
        assert first.result().is_success
        wait_for(lambda: ask().is_success, what="an answer once there is room")


def _is_throttled(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json().get("code")) == (503, "API_CONFIGURATION_ERROR")
