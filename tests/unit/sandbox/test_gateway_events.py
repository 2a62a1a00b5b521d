"""Proxy events and answers, the events compared with those of SAM's own builder."""

import base64
import json
from typing import Any

import pytest
from flask import Flask, request
from samcli.local.apigw.event_constructor import construct_v1_event

from lambent_toolkit.sandbox.gateway_errors import GatewayErrors
from lambent_toolkit.sandbox.gateway_events import ApiIdentity, MalformedResponse, http_response, proxy_event
from lambent_toolkit.sandbox.http_messages import BinaryTypes, HttpRequest
from lambent_toolkit.sandbox.routes import Match, Route

MATCH = Match(Route("/models/{model}", "f", needs_key=False), {"model": "digits"})
EVERYTHING, NOTHING = BinaryTypes(["*~1*"]), BinaryTypes([])


def ours(http: HttpRequest, binary: BinaryTypes = NOTHING) -> dict[str, Any]:
    return proxy_event(http, MATCH, ApiIdentity("api", "test"), binary)


def sams(http: HttpRequest, binary_types: list[str]) -> dict[str, Any]:
    app = Flask("sam")
    app.add_url_rule("/models/<model>", endpoint="/models/<model>", methods=["GET", "POST"])
    headers = [(name, value) for name, value in http.headers if not name.startswith("X-Forwarded")]
    with app.test_request_context(
        f"{http.raw_path}?{http.query}" if http.query else http.raw_path,
        method=http.method,
        headers=headers,
        data=http.body,
        environ_base={"REMOTE_ADDR": http.source_ip, "SERVER_PROTOCOL": "HTTP/1.1"},
    ):
        return construct_v1_event(request, 3000, binary_types, stage_name="test")


@pytest.mark.parametrize(
    ("http", "binary_types"),
    [
        (HttpRequest("GET", "/models/digits", "", [("Host", "localhost"), ("User-Agent", "x")], b"", "127.0.0.1"), []),
        (HttpRequest("GET", "/models/digits", "a=1&a=2&b=&c=%20", [("Host", "localhost")], b"", "127.0.0.1"), []),
        (
            HttpRequest(
                "POST",
                "/models/digits",
                "",
                [("Host", "localhost"), ("Content-Type", "application/json"), ("X-Own", "1")],
                b'{"a": "\xc3\xa9"}',
                "127.0.0.1",
            ),
            [],
        ),
        (
            HttpRequest(
                "POST",
                "/models/digits",
                "",
                [("Host", "localhost"), ("Content-Type", "image/png")],
                b"\x89PNG\x00\xff",
                "127.0.0.1",
            ),
            ["image/png"],
        ),
    ],
    ids=["plain", "query", "json", "binary"],
)
def test_event_is_as_sam_local_builds_it(http: HttpRequest, binary_types: list[str]) -> None:
    own, sam = ours(http, BinaryTypes(binary_types)), sams(http, binary_types)

    same = ("httpMethod", "resource", "path", "pathParameters", "stageVariables", "isBase64Encoded")
    assert [own[name] for name in same] == [sam[name] for name in same]
    assert (own["queryStringParameters"] or None) == (sam["queryStringParameters"] or None)
    assert (own["multiValueQueryStringParameters"] or None) == (sam["multiValueQueryStringParameters"] or None)
    assert (own["body"] or None) == (sam["body"] or None)
    sent = {name for name, _ in http.headers}
    assert {name: own["multiValueHeaders"][name] for name in sent} == {
        name: sam["multiValueHeaders"][name] for name in sent
    }
    assert set(sam) - {"version"} <= set(own)
    assert set(sam["requestContext"]) - {"operationName"} <= set(own["requestContext"])
    assert set(sam["requestContext"]["identity"]) <= set(own["requestContext"]["identity"])


def test_every_type_is_binary_under_the_wildcard() -> None:
    http = HttpRequest("POST", "/models/digits", "", [("content-type", "application/json")], b"{}", "127.0.0.1")

    event = ours(http, EVERYTHING)

    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"{}"


@pytest.mark.parametrize(
    ("types", "media_type", "is_binary"),
    [
        (["image/png"], "image/png; charset=x", True),
        (["image~1*"], "image/jpeg", True),
        (["image/*"], "application/json", False),
        (["*/*"], None, True),
        ([], "image/png", False),
    ],
)
def test_binary_types_match_by_type_or_group(types: list[str], media_type: str | None, is_binary: bool) -> None:
    assert BinaryTypes(types).match(media_type) is is_binary


def answer(**fields: Any) -> bytes:
    return json.dumps({"statusCode": 200, **fields}).encode()


def test_headers_of_both_kinds_are_merged_and_json_is_the_default_type() -> None:
    response = http_response(
        answer(headers={"A": "1"}, multiValueHeaders={"A": ["1", "2"], "B": ["3"]}, body="x"),
        accept=None,
        binary=NOTHING,
    )

    assert response.headers == [("A", "1"), ("A", "2"), ("B", "3"), ("Content-Type", "application/json")]
    assert (response.status, response.body) == (200, b"x")


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"null",
        b"[]",
        b"{}",
        answer(statusCode=99),
        answer(statusCode="x"),
        answer(body=1),
        answer(body={}),
        answer(headers=[]),
        answer(cookies=[]),
        answer(body="?", isBase64Encoded=True),
    ],
)
def test_answer_that_is_no_proxy_response_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        http_response(body, accept="*/*", binary=EVERYTHING)


REQUEST = HttpRequest("GET", "/x", "", [], b"", "127.0.0.1", request_id="r-1")


def test_own_gateway_answer_has_its_status_body_and_headers() -> None:
    responses = {
        "THROTTLED": {
            "statusCode": "429",
            "responseTemplates": {"application/json": '{"id":"$context.requestId","m":$context.error.messageString}'},
            "responseParameters": {"gatewayresponse.header.Retry-After": "'1'"},
        }
    }
    errors = GatewayErrors({"x-amazon-apigateway-gateway-responses": responses}, "test")

    response = errors.answer("THROTTLED", REQUEST)

    assert response.status == 429
    assert json.loads(response.body) == {"id": "r-1", "m": "Too Many Requests"}
    assert ("Retry-After", "1") in response.headers


def test_family_gives_body_and_status_of_errors_that_the_template_leaves_out() -> None:
    family = {"DEFAULT_5XX": {"statusCode": 503, "responseTemplates": {"application/json": "{}"}}}
    errors = GatewayErrors({"x-amazon-apigateway-gateway-responses": family}, "test")

    responses = [errors.answer(kind, REQUEST) for kind in ("BAD_INTEGRATION_RESPONSE", "INTEGRATION_TIMEOUT")]

    assert [(response.status, response.body) for response in responses] == [(503, b"{}"), (503, b"{}")]


def test_without_a_template_answers_are_amazons() -> None:
    response = GatewayErrors({}, "test").answer("MISSING_AUTHENTICATION_TOKEN", REQUEST)

    assert (response.status, response.body) == (403, b'{"message":"Missing Authentication Token"}')
    assert ("x-amzn-ErrorType", "MissingAuthenticationTokenException") in response.headers
