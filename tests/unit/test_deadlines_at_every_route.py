"""How long a route keeps its client waiting when what is beneath it fails: every route of the API's document.

On a clock that only failing services move: no service of these tests takes any time of its own, and nothing is waited
for. `tests/faults/test_silent_services.py` shows that an attempt ends when its time has passed.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, product
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from every_route import ask, routes
from test_handlers import REGION, Functions, functions

from builders import picture
from lambent.adapters import clients, time_budget
from lambent.runtime import preload, time_left
from sdk_answers import error_answer

__all__ = ["functions"]  # the fixture
# Two requests that go further than their routes' plain ones.
DRY_RUN, LATER = ("post", "/jobs?dry_run=true"), ("post", "/models/{model}/predict, later")
ROUTES = [*sorted(routes()), DRY_RUN, LATER]
# Routes that ask nobody, with the stack's own key.
MAY_DO_WITHOUT = {"/", "/v2", "/v2/health/live", "/v2/models/stats", "/inputs", "/docs", "/openapi.json"}
ITEM = {"id": "a", "image": {"b64": b64encode(picture(0)).decode()}}
BATCH = {"schema_version": 1, "model": "shade", "lane": "cpu", "input": {"items": [ITEM]}}
SERVICES = ("dynamodb", "s3", "sqs", "batch", "sns", "sts")
TOLD_WITHIN_S = 3.0
# What a cold start takes of it.
STARTED_S = 0.9
# See `test_settings.py`.
NAME_S = 2.0
NEARLY = 0.95


@dataclass
class Outage:
    """What fails, how, from which attempt on, and what time that has taken."""

    services: tuple[str, ...] = ()
    fault: str = ""
    after: int = 0
    now_s: float = 1_000.0
    asked: list[str] = field(default_factory=list)
    met: int = 0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    def spend(self, pause_s: float) -> None:
        """Let time pass."""
        self.now_s += pause_s

    def meet(self, service: str, request: Any) -> AWSResponse | None:
        """Fail where a request would be sent, or let it pass."""
        self.asked.append(service)
        if service not in self.services or len(self.asked) <= self.after:
            return None
        self.met += 1
        return FAULTS[self.fault](self, request.url, request.context["read_timeout"])


def silent(outage: Outage, url: str, wait_s: float) -> None:
    outage.spend(wait_s)
    raise ReadTimeoutError(endpoint_url=url)


def unconnected(outage: Outage, url: str, wait_s: float) -> None:
    outage.spend(wait_s)
    raise ConnectTimeoutError(endpoint_url=url)


def refused(_outage: Outage, url: str, _wait_s: float) -> None:
    raise EndpointConnectionError(endpoint_url=url)


def nameless(outage: Outage, url: str, _wait_s: float) -> None:
    outage.spend(NAME_S)
    raise EndpointConnectionError(endpoint_url=url)


def without_tls(outage: Outage, url: str, wait_s: float) -> None:
    outage.spend(wait_s * NEARLY)
    raise SSLError(endpoint_url=url, error="no")


def broken_off(outage: Outage, url: str, wait_s: float) -> None:
    outage.spend(wait_s * NEARLY)
    raise ConnectionClosedError(endpoint_url=url)


def answering(status: int, code: str, *, share: float) -> Callable[[Outage, str, float], AWSResponse]:
    """Return a fault that takes a share of the time that it is given, and then answers an error."""

    def answer(outage: Outage, url: str, wait_s: float) -> AWSResponse:
        outage.spend(wait_s * share)
        return error_answer(url, status, code)

    return answer


FAULTS: dict[str, Callable[[Outage, str, float], Any]] = {
    "silent": silent,
    "no connection": unconnected,
    "refused": refused,
    "no name": nameless,
    "no TLS": without_tls,
    "breaks off late": broken_off,
    "breaks down": answering(500, "InternalError", share=0),
    "breaks down late": answering(500, "InternalError", share=NEARLY),
    "throttles": answering(400, "ThrottlingException", share=0),
    "throttles late": answering(400, "ThrottlingException", share=NEARLY),
    "slows down": answering(503, "SlowDown", share=0.5),
}


@pytest.fixture(scope="module")
def hooked(functions: Functions) -> Iterator[Outage]:
    """Put faults beneath all clients, and a clock beneath all budgets; the SDK's pauses are as long as they can be."""
    outage = Outage()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_budget, "monotonic", outage)
        patch.setattr(time_left, "monotonic", outage)
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=outage.spend))
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", longest_pause)
        patch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
        # Clients are made now that the environment is clean of it.
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        for service in SERVICES:
            # After the budget, which is registered first.
            clients.client(service).meta.events.register_first(f"before-send.{service}", _handler(outage, service))
        yield outage


def longest_pause(_backoff: object, context: Any) -> float:
    return float(min(2 ** (context.attempt_number - 1), 20))


def _handler(outage: Outage, service: str) -> Any:
    return lambda request, **_: outage.meet(service, request)


@pytest.fixture
def outage(hooked: Outage) -> Iterator[Outage]:
    """Return the faults; none is left behind."""
    yield hooked
    hooked.services = ()


class Caller:
    """Asks for routes; for what is there, so that they do more than to see whether it is."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._sent = count()
        self._names: dict[str, str] = {}
        batch, granted = self.ask("post", "/jobs"), self.ask("post", "/uploads")
        self._names |= {"/jobs/": json.loads(batch[1])["id"], "/uploads/": json.loads(granted[1])["id"]}

    def ask(self, method: str, path: str) -> Any:
        """Return status, body and headers."""
        if (method, path) == ("post", "/jobs"):
            return self._submit({})
        if (method, path) == DRY_RUN:
            return self._submit({"dry_run": "true"})
        if (method, path) == LATER:
            headers = {"content-type": "image/png", "prefer": "respond-async"}
            return self._functions.http_bytes("predict", "POST", "/models/shade/predict", picture(0), headers=headers)
        known = next(({"id": name} for start, name in self._names.items() if path.startswith(start)), {})
        return ask(self._functions, method, path, key="own-key", **known)

    def _submit(self, query: dict[str, str]) -> Any:
        body = json.dumps({**BATCH, "id": f"batch-{next(self._sent)}"}).encode()
        return self._functions.http_bytes("jobs", "POST", "/jobs", body, query=query)


@pytest.fixture(scope="module")
def caller(functions: Functions) -> Caller:
    return Caller(functions)


def send(caller: Caller, outage: Outage, route: tuple[str, str]) -> tuple[Any, float]:
    """Return a route's answer, and what time it took."""
    outage.asked.clear()
    outage.met = 0
    begin_s = outage.now_s
    answer = caller.ask(*route)
    return answer, outage.now_s - begin_s


def check_told_in_time(answer: Any, kept_s: float, outage: Outage, expected: int) -> None:
    status, body, headers = answer
    told = (outage.fault, outage.services, outage.after, outage.asked, body)
    assert kept_s <= TOLD_WITHIN_S, told
    if outage.met and status != expected:
        error = json.loads(body)
        assert (status, error["code"], error["retryable"]) == (503, "unavailable", True), told
        assert headers["Retry-After"].isdigit()


@pytest.mark.parametrize("waited_s", [0.0, STARTED_S], ids=["warm", "cold"])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_beneath_which_all_fails_says_so_in_time(
    caller: Caller,
    outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    waited_s: float,
) -> None:
    (expected, *_), _ = send(caller, outage, (method, path))
    needs_services = bool(outage.asked)
    monkeypatch.setattr(time_left, "waited_s", lambda _event: waited_s)
    outage.services, outage.after = SERVICES, 0

    for outage.fault in FAULTS:
        answer, kept_s = send(caller, outage, (method, path))
        check_told_in_time(answer, waited_s + kept_s, outage, expected)
        assert answer[0] == (503 if needs_services else expected)

    assert needs_services or path in MAY_DO_WITHOUT


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_whichever_call_of_a_route_fails_it_says_so_in_time(
    caller: Caller, outage: Outage, method: str, path: str
) -> None:
    (expected, *_), _ = send(caller, outage, (method, path))
    calls = len(outage.asked)
    outage.services = SERVICES

    for outage.after, outage.fault in product(range(calls), ["silent", "breaks down late", "throttles"]):
        answer, kept_s = send(caller, outage, (method, path))
        check_told_in_time(answer, kept_s, outage, expected)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_one_silent_service_beneath_a_route_is_told_in_time(
    caller: Caller, outage: Outage, method: str, path: str
) -> None:
    (expected, *_), _ = send(caller, outage, (method, path))
    outage.fault, outage.after = "silent", 0

    for service in SERVICES:
        outage.services = (service,)
        answer, kept_s = send(caller, outage, (method, path))
        check_told_in_time(answer, kept_s, outage, expected)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_loaded_at_the_start_leaves_the_first_request_its_time(
    caller: Caller, outage: Outage, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    outage.services, outage.fault, outage.after = SERVICES, fault, 0
    begin_s = outage.now_s

    preload._preload(["shade", "pair"])
    begun_s = outage.now_s - begin_s
    monkeypatch.setattr(time_left, "waited_s", lambda _event: begun_s)
    answer, kept_s = send(caller, outage, ("post", "/models/{model}/predict"))

    # A name's look-up has a time of its own, in either.
    most_s = TOLD_WITHIN_S if fault != "no name" else 2 * NAME_S
    assert begun_s + kept_s <= most_s
    assert answer[0] == 503
