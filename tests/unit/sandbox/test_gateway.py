"""The gateway as a whole, with functions played: stage, throttles, fixed answers, renamed fields, access log."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lambent_toolkit.sandbox.gateway import Gateway
from lambent_toolkit.sandbox.invocation import InvocationResult, Outcome, throttle_error
from lambent_toolkit.sandbox.usage_plans import ApiKey, Plan

URI = "arn:aws:apigateway:us-east-1:lambda:path/functions/arn:aws:lambda:us-east-1:1:function:f/invocations"
KEYED = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI}, "security": [{"api_key": []}]}
OPEN = {**KEYED, "security": []}
PREFLIGHT = {
    "type": "mock",
    "contentHandling": "CONVERT_TO_TEXT",
    "requestTemplates": {"application/json": '{"statusCode":200}'},
    "responses": {"default": {"statusCode": "200", "responseParameters": {"method.response.header.X-Own": "'1'"}}},
}
BROKEN_PREFLIGHT = {name: value for name, value in PREFLIGHT.items() if name != "contentHandling"}
BODY = {
    "x-amazon-apigateway-binary-media-types": ["*/*"],
    "paths": {
        "/jobs/{id}": {"get": KEYED, "options": {"x-amazon-apigateway-integration": PREFLIGHT}},
        "/docs": {"get": OPEN, "options": {"x-amazon-apigateway-integration": BROKEN_PREFLIGHT}},
    },
}
SLOWLY = {"ThrottlingRateLimit": 1e-6, "ThrottlingBurstLimit": 2}
LOGGED = {"status": "$context.status", "key": "$context.identity.apiKeyId", "path": "$context.path"}
SETTINGS: dict[str, Any] = {
    "MethodSettings": [{"ResourcePath": "/~1docs", "HttpMethod": "GET", **SLOWLY}],
    "AccessLogSetting": {"Format": json.dumps(LOGGED)},
}


@dataclass
class PlayedFunction:
    """A function that answers as it is told, and remembers what it was given."""

    answer: dict[str, Any] = field(default_factory=lambda: {"statusCode": 200})
    outcome: Outcome = Outcome.RESPONSE
    events: list[dict[str, Any]] = field(default_factory=list)

    async def invoke(self, event: bytes) -> InvocationResult:
        self.events.append(json.loads(event))
        body = throttle_error() if self.outcome is Outcome.THROTTLED else json.dumps(self.answer).encode()
        return InvocationResult(self.outcome, body)


class Keys:
    """One key."""

    async def find(self, value: str) -> ApiKey | None:
        return ApiKey("key-id", Plan(None, None, None, 0)) if value == "key" else None


@dataclass
class Door:
    """A gateway and its log's folder."""

    function: PlayedFunction
    gateway: Gateway
    logs: Path

    def send(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        given = {"x-api-key": "key", **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "method": method, "raw_path": path.encode(), "query_string": b"", "http_version": "1.1",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        asyncio.run(self.gateway(scope, receive, send))
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], answered, sent[1]["body"]

    def logged(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.logs / "access.log").read_text().splitlines()]


@pytest.fixture
def door(tmp_path: Path) -> Door:
    function = PlayedFunction()
    gateway = Gateway(
        BODY, api_id="api", stage="dev", pools={"f": function}, keys=Keys(), settings=SETTINGS, logs=tmp_path
    )  # type: ignore[arg-type, dict-item]
    return Door(function, gateway, tmp_path)


@pytest.mark.parametrize(("size_bytes", "calls"), [(10_240, 1), (10_241, 0), (300_000, 0)])
def test_header_values_are_taken_up_to_awss_limit(door: Door, size_bytes: int, calls: int) -> None:
    names = {"x_api_key": "key", "one": "y" * 100}

    status, _, _ = door.send("GET", "/dev/jobs/a", **names, two="y" * (size_bytes - sum(map(len, names.values()))))

    assert (status, len(door.function.events)) == ((200, 1) if calls else (400, 0))


def test_a_function_is_told_the_path_as_written_with_and_without_the_stage(door: Door) -> None:
    door.send("GET", "/dev/jobs/a%20b")

    (event,) = door.function.events
    assert (event["path"], event["requestContext"]["path"]) == ("/jobs/a%20b", "/dev/jobs/a%20b")
    assert (event["resource"], event["pathParameters"]) == ("/jobs/{id}", {"id": "a b"})
    assert event["requestContext"]["stage"] == "dev"


@pytest.mark.parametrize("path", ["/jobs/a", "/", "/developer/jobs/a", "/dev%2Fjobs/a", ""])
def test_outside_the_stage_nothing_is_served(door: Door, path: str) -> None:
    status, _, body = door.send("GET", path)

    assert (status, body, door.function.events) == (403, b'{"message":"Forbidden"}', [])


def test_fields_are_renamed_and_dropped_on_both_ways(door: Door) -> None:
    door.function.answer = {
        "statusCode": 401,
        "headers": {"WWW-Authenticate": "Basic", "Server": "f"},
        "multiValueHeaders": {"Via": ["x"], "Location": ["/dev"]},
    }

    _, headers, _ = door.send("GET", "/dev/jobs/a", expect="100-continue", via="y")

    (event,) = door.function.events
    assert (headers["x-amzn-remapped-www-authenticate"], headers["x-amzn-remapped-server"]) == ("Basic", "f")
    assert headers["location"] == "/dev"
    assert headers.keys().isdisjoint({"www-authenticate", "server", "via"})
    assert ("Expect" in event["headers"], event["headers"]["Via"]) == (False, "y")


def test_a_methods_throttle_refuses_what_is_too_much_and_no_other_method(door: Door) -> None:
    statuses = [door.send("GET", "/dev/docs")[0] for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert door.send("GET", "/dev/jobs/a")[0] == 200


def test_a_throttled_function_is_an_internal_error_to_the_client(door: Door) -> None:
    door.function.outcome = Outcome.THROTTLED

    status, headers, body = door.send("GET", "/dev/jobs/a")

    assert (status, body) == (500, b'{"message":"Internal server error"}')
    assert headers["x-amzn-errortype"] == "InternalServerErrorException"


def test_a_preflight_needs_no_key_and_no_function(door: Door) -> None:
    status, headers, _ = door.send("OPTIONS", "/dev/jobs/a", x_api_key="")

    assert (status, headers["x-own"], door.function.events) == (200, "1", [])


def test_a_preflight_that_is_not_made_text_breaks_an_api_of_binary_bodies(door: Door) -> None:
    assert door.send("OPTIONS", "/dev/docs")[0] == 500


def test_every_request_of_the_stage_is_logged_with_its_key_and_status(door: Door) -> None:
    door.send("GET", "/dev/jobs/a")
    door.send("GET", "/dev/jobs/a", x_api_key="guess")
    door.send("GET", "/dev/nowhere")
    door.send("GET", "/elsewhere")

    assert door.logged() == [
        {"status": "200", "key": "key-id", "path": "/dev/jobs/a"},
        {"status": "403", "key": "-", "path": "/dev/jobs/a"},
        {"status": "403", "key": "-", "path": "/dev/nowhere"},
    ]
