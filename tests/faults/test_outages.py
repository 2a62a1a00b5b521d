"""Dependencies that fail beneath the doors: every route says 503, when to try again, and nothing else; then it is well.

The faults are put where the SDK sends, so that nothing is waited for: `test_silent_services.py` is about the waiting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from good_input import PAIR, check_good
from plane import Answer, Plane, Request

from builders import picture
from lambent.adapters import clients
from sdk_answers import error_answer

SERVICES = ("s3", "dynamodb", "sqs")
JSON = {"content-type": "application/json"}
PNG = {"content-type": "image/png"}
LATER = PNG | {"prefer": "respond-async"}
UPLOAD = {"model": "shade", "content_type": "image/png", "sha256": "0" * 64}
BATCH = {"schema_version": 1, "id": "in-an-outage", "model": "words", "input": {"items": [{"id": "a", "text": "x"}]}}


def body(content: object) -> bytes:
    return json.dumps(content).encode()


# Every route that reaches a dependency, and the services of which each one alone makes it fail.
ROUTES: dict[str, tuple[Request, set[str]]] = {
    "an answer later": (Request("POST", "/models/shade/predict", picture(1), LATER), {"s3", "sqs"}),
    "ready": (Request("GET", "/v2/health/ready"), {"dynamodb"}),
    "models of OIP": (Request("GET", "/v2/models"), {"dynamodb"}),
    "index": (Request("POST", "/v2/repository/index", b"{}", JSON), {"dynamodb"}),
    "models of TFS": (Request("GET", "/v1/models"), {"dynamodb"}),
    "models": (Request("GET", "/models"), {"dynamodb"}),
    "model": (Request("GET", "/models/pair"), {"dynamodb"}),
    "version": (Request("GET", "/models/pair/versions/1"), {"dynamodb", "s3"}),
    "jobs": (Request("GET", "/jobs"), {"dynamodb"}),
    "job": (Request("GET", "/jobs/nobody"), {"dynamodb"}),
    "result": (Request("GET", "/jobs/nobody/result"), {"dynamodb"}),
    "results": (Request("GET", "/jobs/nobody/results"), {"dynamodb"}),
    "errors": (Request("GET", "/jobs/nobody/errors"), {"dynamodb"}),
    "cancel": (Request("DELETE", "/jobs/nobody"), {"dynamodb"}),
    "retry": (Request("POST", "/jobs/nobody/retry", b"{}", JSON), {"dynamodb"}),
    "priority": (Request("POST", "/jobs/nobody/priority", body({"priority": 3}), JSON), {"dynamodb"}),
    "submit": (Request("POST", "/jobs", body(BATCH), JSON), {"dynamodb"}),
    "quote": (Request("POST", "/jobs", body(BATCH), JSON, query="dry_run=true"), {"dynamodb"}),
    "upload": (Request("POST", "/uploads", body(UPLOAD), JSON), {"dynamodb"}),
    "uploaded": (Request("GET", f"/uploads/up-{'0' * 32}"), {"dynamodb"}),
    "webhooks": (Request("GET", "/webhooks/secret"), {"dynamodb"}),
}  # fmt: skip
FAULTS = ("silent", "refused", "reset", "broken", "throttled")


@dataclass
class Outage:
    """What fails, how, and how often it was asked."""

    services: tuple[str, ...] = ()
    fault: str = ""
    asked: list[str] = field(default_factory=list)

    def meet(self, service: str, request: Any) -> AWSResponse | None:
        """Fail where a request would be sent, or let it pass."""
        if service not in self.services:
            return None
        self.asked.append(service)
        match self.fault:
            case "silent":
                raise ReadTimeoutError(endpoint_url=request.url)
            case "refused":
                raise EndpointConnectionError(endpoint_url=request.url)
            case "reset":
                raise ConnectionClosedError(endpoint_url=request.url)
            case "broken":
                return error_answer(request.url, 500, "InternalError")
            case _:
                return error_answer(request.url, 503, "SlowDown")


@pytest.fixture(scope="module")
def hooked(plane: Plane) -> Iterator[Outage]:
    """Put faults beneath the clients of the doors."""
    outage = Outage()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
        patch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)
        for service in SERVICES:
            handler = _handler(outage, service)
            clients.client(service).meta.events.register_first(f"before-send.{service}", handler)
        yield outage


def _handler(outage: Outage, service: str) -> Any:
    return lambda request, **_: outage.meet(service, request)


@pytest.fixture
def outage(hooked: Outage) -> Iterator[Outage]:
    """Return the faults; none is left behind."""
    hooked.asked.clear()
    yield hooked
    hooked.services = ()


def check_unavailable(answer: Answer) -> None:
    told = answer.json
    assert (answer.status, told["code"], told["retryable"], told["status"]) == (503, "unavailable", True, 503), told
    assert answer.headers["retry-after"].isdigit()
    assert told["error"] == told["detail"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ROUTES)
def test_every_route_says_when_to_try_again_and_the_first_request_after_is_well(
    plane: Plane, outage: Outage, name: str, fault: str
) -> None:
    request, _ = ROUTES[name]
    before = plane.send(request)
    outage.services, outage.fault = SERVICES, fault

    during = plane.send(request)
    outage.services = ()
    after = plane.send(request)

    check_unavailable(during)
    assert not plane.take_crashes()
    assert len(outage.asked) == (1 if fault == "silent" else 2)
    assert (after.status, after.status < 500) == (before.status, True)


@pytest.mark.parametrize(
    ("name", "service"), [(name, service) for name, (_, needs) in ROUTES.items() for service in sorted(needs)]
)
def test_one_silent_service_is_enough(plane: Plane, outage: Outage, name: str, service: str) -> None:
    request, _ = ROUTES[name]
    outage.services, outage.fault = (service,), "silent"

    check_unavailable(plane.send(request))


@pytest.mark.parametrize("service", ["s3", "sqs"])
def test_a_loaded_model_answers_while_what_it_does_not_need_is_silent(
    plane: Plane, outage: Outage, service: str
) -> None:
    good = Request("POST", "/v2/models/pair/infer", body(PAIR), JSON)
    plane.send(good)
    outage.services, outage.fault = (service,), "silent"

    assert plane.send(good).status == 200
    assert outage.asked == []


def test_a_server_that_lives_says_so_whatever_is_silent(plane: Plane, outage: Outage) -> None:
    outage.services, outage.fault = SERVICES, "silent"

    answers = [plane.send(Request("GET", path)) for path in ("/", "/v2", "/v2/health/live", "/docs", "/openapi.json")]

    assert {answer.status for answer in answers} == {200}
    assert outage.asked == []


def test_the_doors_answer_right_after_all_of_it(plane: Plane, outage: Outage) -> None:
    outage.services, outage.fault = SERVICES, "silent"
    for request, _ in ROUTES.values():
        plane.send(request)
    outage.services = ()

    for path in ("/v2", "/v1", "/models/words", "/models/rows", "/models/shade", "/jobs"):
        check_good(plane, path)
