"""A web page of another origin asks for a grant, uploads and reads what becomes of it, as a browser lets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from lambent_toolkit.demo.local import own_stack
from lambent_toolkit.sandbox.stack_info import StackInfo

OWN, SECOND, FOREIGN = "https://own.example", "http://localhost:3000", "https://foreign.example"
PARAMETERS = {"AllowedOrigins": f"{OWN},{SECOND}", "AccessLog": "true"}
ALLOW = "access-control-allow-origin"
ASKED = "Access-Control-Request-"


@pytest.fixture(scope="module")
def stack() -> Iterator[StackInfo]:
    with own_stack(parameters=PARAMETERS) as info:
        yield info


@pytest.mark.parametrize(
    ("path", "method"),
    [("/jobs", "GET"), ("/jobs", "POST"), ("/jobs/a", "DELETE"), ("/inputs", "POST"), ("/v2/models/m/infer", "POST")],
)
def test_a_preflight_lets_a_page_ask_with_the_key(stack: StackInfo, path: str, method: str) -> None:
    asked = {"Origin": OWN, f"{ASKED}Method": method, f"{ASKED}Headers": "content-type,x-api-key"}

    answer = httpx.options(stack.url + path, headers=asked, timeout=60)

    assert answer.status_code == 200
    assert answer.headers[ALLOW] == "*"
    assert answer.headers["access-control-allow-headers"] == "*"
    assert method in answer.headers["access-control-allow-methods"].split(",")


@pytest.mark.parametrize("origin", [OWN, SECOND])
def test_a_page_asks_for_a_grant_and_uploads_by_it(stack: StackInfo, origin: str) -> None:
    content = f"a,b\n1,{len(origin)}\n".encode()
    wanted = {
        "name": "rows.csv",
        "content_type": "text/csv",
        "sha256": sha256(content).hexdigest(),
        "size_bytes": len(content),
    }
    headers = {"Origin": origin, "x-api-key": stack.api_key}

    granted = httpx.post(f"{stack.url}/inputs", json=wanted, headers=headers, timeout=60)
    form = granted.json()["upload"]
    stored = httpx.post(
        form["url"], data=form["fields"], files={"file": ("rows.csv", content)}, headers={"Origin": origin}, timeout=60
    )

    assert (granted.status_code, granted.headers[ALLOW], granted.headers["vary"]) == (201, origin, "Origin")
    assert stored.is_success
    assert stored.headers[ALLOW] in {origin, "*"}


def test_a_page_reads_why_it_was_refused_by_a_function_and_by_the_gateway(stack: StackInfo) -> None:
    key = {"x-api-key": stack.api_key}
    answers = [
        httpx.get(f"{stack.url}/jobs/nothing", headers={"Origin": OWN, **key}, timeout=60),
        httpx.get(f"{stack.url}/v2/models/nothing", headers={"Origin": OWN, **key}, timeout=60),
        httpx.get(f"{stack.url}/jobs/nothing", headers={"Origin": OWN}, timeout=60),
        httpx.get(f"{stack.url}/nowhere", headers={"Origin": OWN, **key}, timeout=60),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 401, 404]
    assert [answer.headers[ALLOW] for answer in answers] == [OWN, OWN, "*", "*"]
    assert all("x-amzn-RequestId" in answer.headers["access-control-expose-headers"] for answer in answers)


def test_a_page_of_an_origin_that_nobody_declared_reads_nothing(stack: StackInfo) -> None:
    answer = httpx.get(f"{stack.url}/jobs", headers={"Origin": FOREIGN, "x-api-key": stack.api_key}, timeout=60)

    assert answer.status_code == 200
    assert ALLOW not in answer.headers


def test_who_asked_for_what_is_logged_with_the_keys_id_and_not_the_key(stack: StackInfo) -> None:
    answer = httpx.get(f"{stack.url}/jobs/logged", headers={"x-api-key": stack.api_key}, timeout=60)

    log = (Path(stack.logs) / "access.log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    (line,) = [each for each in lines if each["request_id"] == answer.headers["x-amzn-requestid"]]
    assert (line["key_id"], line["status"], line["method"]) == (stack.api_key_id, "404", "GET")
    assert (line["path"], line["resource"], line["ip"]) == ("/dev/jobs/logged", "/jobs/{id}", "127.0.0.1")
    assert stack.api_key not in log
