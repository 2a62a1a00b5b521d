"""A web page of another origin: what one that was declared may do, and that another gets nothing, at every server."""

from __future__ import annotations

import http.client
import json
import stat
from collections.abc import Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from listening import listening_ports

from lambent_toolkit.demo.local import own_stack
from lambent_toolkit.sandbox.stack_info import FILE_NAME, StackInfo
from patience import PATIENCE_S

OWN, SECOND, FOREIGN = "https://own.example", "http://localhost:3000", "https://foreign.example"
PARAMETERS = {"AllowedOrigins": f"{OWN},{SECOND}", "AccessLog": "true"}
ALLOW = "access-control-allow-origin"
ASKED = "Access-Control-Request-"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
# Beside the storage and the HTTP door: the supervisor's own door, and an environment's runtime interface.
FEWEST_SERVERS = 4
HERE = "127.0.0.1"
PATHS = ("/", "/2018-06-01/runtime/invocation/next")
SHARING = {"access-control-allow-origin", "access-control-allow-headers"}
AS_FOREIGN = {
    "foreign origin": {"Origin": FOREIGN},
    "no origin": {"Origin": "null"},
    "origin like a declared one": {"Origin": f"{OWN}.evil.example"},
    "another port of this machine": {"Origin": "http://127.0.0.1:1"},
    "two origins": {"Origin": f"{OWN}, {FOREIGN}"},
    "rebound name": {"Host": "evil.example"},
    "name like this machine's": {"Host": "127.0.0.1.evil.example"},
    "no host": {"Host": ""},
    "picture of a page": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "page of another port": {"Sec-Fetch-Site": "same-site"},
    "page of an old browser": {"Referer": f"{FOREIGN}/page"},
}


@pytest.fixture(scope="module")
def stack() -> Iterator[StackInfo]:
    with own_stack(parameters=PARAMETERS) as info:
        httpx.get(f"{info.url}/jobs", headers={"x-api-key": info.api_key}, timeout=PATIENCE_S).raise_for_status()
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

    assert answer.status_code == 403  # here, before anything is done; on AWS the browser keeps the answer from it
    assert FOREIGN in answer.json()["message"]
    assert ALLOW not in answer.headers


def test_who_asked_for_what_is_logged_with_the_keys_id_and_not_the_key(stack: StackInfo) -> None:
    answer = httpx.get(f"{stack.url}/jobs/logged", headers={"x-api-key": stack.api_key}, timeout=60)

    log = (Path(stack.logs) / "access.log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    (line,) = [each for each in lines if each["request_id"] == answer.headers["x-amzn-requestid"]]
    assert (line["key_id"], line["status"], line["method"]) == (stack.api_key_id, "404", "GET")
    assert (line["path"], line["resource"], line["ip"]) == ("/dev/jobs/logged", "/jobs/{id}", "127.0.0.1")
    assert stack.api_key not in log


def ask(port: int, method: str, path: str, fields: dict[str, str], body: bytes = b"") -> tuple[int, list[str]]:
    """Send a request with just these header fields; return the status and the names of the answer's fields."""
    connection = http.client.HTTPConnection(HERE, port, timeout=PATIENCE_S)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    sent = {"Host": f"{HERE}:{port}", "Content-Length": str(len(body)), **fields}
    for name, value in sent.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, [name.lower() for name, _ in answer.getheaders()]


def stored(stack: StackInfo) -> dict[str, Any]:
    """Return what a page could have changed."""
    s3, sqs = stack.client("s3"), stack.client("sqs")
    names = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    objects = {name: s3.list_objects_v2(Bucket=name).get("Contents", []) for name in names}
    jobs = stack.client("batch").list_jobs(jobQueue=stack.resources["BatchJobQueue"], jobStatus="RUNNING")
    queues = sqs.list_queues()["QueueUrls"]
    return {"objects": objects, "queues": queues, "jobs": jobs["jobSummaryList"]}


@pytest.mark.parametrize("foreign", AS_FOREIGN)
def test_every_server_refuses_what_comes_from_a_page_by_every_method(stack: StackInfo, foreign: str) -> None:
    before = stored(stack)

    answers = {}
    for port in listening_ports(stack.pid):
        try:
            answers[port] = [ask(port, method, path, AS_FOREIGN[foreign]) for method, path in product(METHODS, PATHS)]
        except ConnectionError:
            assert port not in listening_ports(stack.pid)  # an idle environment was ended meanwhile

    assert len(answers) >= FEWEST_SERVERS
    assert {httpx.URL(stack.url).port, httpx.URL(stack.endpoint).port} <= answers.keys()
    assert {status for each in answers.values() for status, _ in each} <= {400, 403}
    assert not [name for each in answers.values() for _, names in each for name in names if name in SHARING]
    assert stored(stack) == before


@pytest.mark.parametrize("fields", [{"Origin": FOREIGN}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_page_neither_reads_nor_writes_objects_nor_calls_a_service_without_asking_first(
    stack: StackInfo, fields: dict[str, str]
) -> None:
    port, bucket = httpx.URL(stack.endpoint).port, stack.buckets["data"]
    stack.client("s3").put_object(Bucket=bucket, Key="results/secret", Body=b"secret")
    form = {**fields, "Content-Type": "multipart/form-data; boundary=b"}
    written = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\ninbox/x\r\n'
    written += b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'
    function = stack.functions["jobs"]
    before = stored(stack)
    requests = [
        ("GET", "/", fields, b""),
        ("GET", f"/{bucket}/results/secret?X-Amz-Credential=local/20260101/us-east-1/s3/aws4_request", fields, b""),
        ("POST", f"/{bucket}", form, written),
        ("GET", f"{httpx.URL(stack.queues['upload']).path}?Action=SendMessage&MessageBody=x", fields, b""),
        ("POST", f"/2015-03-31/functions/{function}/invocations", {**fields, "Content-Type": "text/plain"}, b"{}"),
        ("POST", "/v1/submitjob", {**fields, "Content-Type": "text/plain"}, b"{}"),
        ("POST", "/moto-api/reset", fields, b""),
        ("GET", "/_lambent/created", fields, b""),
    ]

    statuses = {path: ask(port, method, path, sent, body)[0] for method, path, sent, body in requests}

    assert statuses == dict.fromkeys(statuses, 403)
    assert stored(stack) == before


@pytest.mark.parametrize("path", ["/_lambent/created", "/_lambent/iam/denials", "/_lambent/shorten-waits"])
@pytest.mark.parametrize("secret", ["", "wrong"])
def test_nobody_without_the_secret_gets_at_the_stacks_own_paths(stack: StackInfo, path: str, secret: str) -> None:
    sent = {"X-Lambent-Secret": secret} if secret else {}

    assert httpx.get(stack.endpoint + path, headers=sent, timeout=PATIENCE_S).status_code == 403


def test_motos_own_interface_is_closed_even_to_the_stacks_own_parts(stack: StackInfo) -> None:
    shown = {"X-Lambent-Secret": stack.secret}

    answers = [
        httpx.post(f"{stack.endpoint}/moto-api/reset", headers=shown, timeout=PATIENCE_S),
        httpx.get(f"{stack.endpoint}/moto-api/data.json", headers=shown, timeout=PATIENCE_S),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert stack.client("s3").list_buckets()["Buckets"]


def test_a_page_may_use_a_bucket_by_its_own_rules_only(stack: StackInfo) -> None:
    data, models = (f"{stack.endpoint}/{stack.buckets[name]}/a" for name in ("data", "models"))
    origin = {"Origin": OWN}

    def asked(url: str, method: str) -> httpx.Response:
        return httpx.options(url, headers={**origin, "Access-Control-Request-Method": method}, timeout=PATIENCE_S)

    assert [asked(data, method).status_code for method in ("GET", "POST", "PUT", "DELETE")] == [200, 200, 403, 403]
    assert asked(data, "GET").headers["access-control-allow-origin"] == OWN
    assert asked(models, "GET").status_code == 403
    assert httpx.get(f"{stack.endpoint}/", headers=origin, timeout=PATIENCE_S).status_code == 403


def test_what_a_stack_leaves_on_disk_is_its_owners_alone(stack: StackInfo) -> None:
    state_dir = Path(stack.logs).parent

    modes = {
        each.relative_to(state_dir).as_posix(): stat.S_IMODE(each.stat().st_mode)
        for each in (state_dir / FILE_NAME, state_dir / "logs", state_dir / "scratch", *Path(stack.logs).rglob("*"))
    }

    assert json.loads((state_dir / FILE_NAME).read_text())["secret"] == stack.secret
    assert modes == {name: 0o700 if name in {"logs", "scratch"} else 0o600 for name in modes}
