"""Faults of HTTP door and keys, one or more for each check."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from email.utils import formatdate

import httpx
import numpy as np

from lambent_toolkit.doctor.trial import HEADER_LENGTH
from lambent_toolkit.fakes import FakeClock
from lambent_toolkit.tenants import Tenants
from unit.doctor.http_door import error
from unit.doctor.seeding import FAILED, WARNING, always, answer, fault
from unit.doctor.well_stack import NOW_S, WellStack


# ------------------------------------------------------------------------------------------------------------------ API
@fault("api-reachable", "a redirect to elsewhere.example")
def health_is_redirected(stack: WellStack) -> None:
    moved = httpx.Response(301, headers={"Location": "https://elsewhere.example/x?token=t"})
    answer(stack, "GET", "/v2/health/live", always(moved))


def later(stack: WellStack, seconds: Callable[[int], float]) -> None:
    """Let predictions take their time, by how many came before."""
    calls: list[int] = []

    def act(request: httpx.Request) -> httpx.Response:
        stack.clock.pause(seconds(len(calls)))
        calls.append(1)
        return stack.door._api(request)

    answer(stack, "POST", "/models/shade/versions/1/predict", act)


@fault("first-answer", "the first answer took 20000 ms, then 0 ms", WARNING)
def start_is_slow(stack: WellStack) -> None:
    later(stack, lambda before: 20.0 if before == 0 else 0.0)


@fault("first-answer", "then 1500 ms", WARNING)
def function_is_slow(stack: WellStack) -> None:
    later(stack, lambda _: 1.5)


@fault("first-answer", "503 unavailable", http_round_trip=FAILED, answer_later=FAILED)
def function_is_broken(stack: WellStack) -> None:
    answer(stack, "POST", "/models/shade/versions/1/predict", always(error(503, "unavailable")))


@fault("address-encrypted", "not https")
def address_is_plain(stack: WellStack) -> None:
    stack.url = stack.url.replace("https", "http")


@fault("key-needed", "without a key: HTTP 200")
def models_are_open(stack: WellStack) -> None:
    answer(stack, "GET", "/models$", always(httpx.Response(200, json={"models": []})))


@fault("key-needed", '403: \'{"message":"Forbidden"}\' instead of 401 auth_invalid')
def refusals_are_the_gateways_own(stack: WellStack) -> None:
    answer(stack, "GET", "/models$", always(httpx.Response(403, json={"message": "Forbidden"})))


@fault("errors-shaped", "404 route_not_found lacks retryable")
def error_lacks_a_field(stack: WellStack) -> None:
    fields = {"error": "x", "code": "route_not_found", "detail": "x", "field": None}
    answer(stack, "GET", "/no-such-route", always(httpx.Response(404, json=fields)))


@fault("errors-shaped", "half a JSON: HTTP 500: 'Internal server error'")
def error_is_a_text(stack: WellStack) -> None:
    answer(stack, "POST", "/jobs$", always(httpx.Response(500, text="Internal server error")))


def located(stack: WellStack, location: str) -> None:
    def act(request: httpx.Request) -> httpx.Response:
        found = stack.door._api(request)
        found.headers["Location"] = location
        return found

    answer(stack, "POST", "/uploads$", act)


@fault("location-leads-back", "Location is /uploads/up-0: HTTP 403")
def location_lacks_the_stage(stack: WellStack) -> None:
    located(stack, "/uploads/up-0")


@fault("location-leads-back", "leads to elsewhere.example")
def location_is_elsewhere(stack: WellStack) -> None:
    located(stack, "https://elsewhere.example/uploads/up-0")


def binary(stack: WellStack, body: Callable[[bytes], bytes], *, accept: str | None) -> None:
    """Change binary answers, for one Accept only."""

    def act(request: httpx.Request) -> httpx.Response:
        found = stack.door._api(request)
        if (
            HEADER_LENGTH not in request.headers
            or request.headers.get("accept") != accept
            or "live" in str(request.url)
        ):
            return found
        return httpx.Response(200, content=body(found.content), headers=found.headers)

    answer(stack, "POST", "/infer$", act)


@fault("binary-answers", "without Accept: its")
def bytes_are_base64_without_accept(stack: WellStack) -> None:
    binary(stack, b64encode, accept=None)


@fault("binary-answers", "Accept: application/json, */*;q=0.8: output scores differs")
def bytes_are_mangled_for_one_accept(stack: WellStack) -> None:
    mangled = stack.door.binary(np.array([[0.5, 0.5]], np.float32))
    binary(stack, lambda _: mangled, accept="application/json, */*;q=0.8")


@fault("pages-allowed", "a browser would refuse pages of https://shop.example")
def preflight_needs_a_key(stack: WellStack) -> None:
    answer(stack, "OPTIONS", "/uploads", always(error(401, "auth_invalid")))


def preflight(stack: WellStack, origin: str, headers: str) -> None:
    told = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Headers": headers}
    answer(stack, "OPTIONS", "/uploads", always(httpx.Response(204, headers=told)))


@fault("pages-allowed", "Access-Control-Allow-Origin is https://another.example")
def another_origin_is_allowed(stack: WellStack) -> None:
    preflight(stack, "https://another.example", "*")


@fault("pages-allowed", "Access-Control-Allow-Headers is content-type")
def pages_may_not_send_a_key(stack: WellStack) -> None:
    preflight(stack, "https://shop.example", "Content-Type")


@fault("documents-open", "GET /docs: HTTP 401")
def documents_need_a_key(stack: WellStack) -> None:
    refused = error(401, "auth_invalid")
    refused.headers["Date"] = formatdate(NOW_S, usegmt=True)
    answer(stack, "GET", "/docs$", always(refused))


@fault("documents-open", "no OpenAPI document")
def document_is_something_else(stack: WellStack) -> None:
    answer(stack, "GET", "/openapi.json$", always(httpx.Response(200, json=[])))


# ----------------------------------------------------------------------------------------------------------------- keys
@fault("stack-key", "disabled or in no usage plan")
def own_key_is_disabled(stack: WellStack) -> None:
    off = [{"op": "replace", "path": "/enabled", "value": "false"}]
    stack.moto("apigateway").update_api_key(apiKey=stack.api_key_id, patchOperations=off)


@fault("keys-have-tenants", "no tenant has them")
def key_is_nobodys(stack: WellStack) -> None:
    gateway = stack.moto("apigateway")
    key = gateway.create_api_key(name="by hand", enabled=True)["id"]
    gateway.create_usage_plan_key(usagePlanId=stack.resources["UsagePlan"], keyId=key, keyType="API_KEY")


@fault("keys-have-tenants", "`lambent key list` does not know", WARNING)
def key_was_recorded_by_hand(stack: WellStack) -> None:
    key_is_nobodys(stack)
    (key,) = [each["id"] for each in stack.moto("apigateway").get_api_keys()["items"] if each["name"] == "by hand"]
    row = {"pk": {"S": f"APIKEY#{key}"}, "sk": {"S": "TENANT"}, "tenant": {"S": "acme"}}
    stack.moto("dynamodb").put_item(TableName=stack.table, Item=row)


@fault("keys-open", "opening nothing", WARNING)
def key_was_deleted_by_hand(stack: WellStack) -> None:
    tenants = Tenants(stack, by="ada")
    tenants.add("acme")
    key, _ = tenants.create_key("acme")
    stack.moto("apigateway").delete_api_key(apiKey=key.key_id)


@fault("keys-current", "rotated out, and not removed", WARNING)
def grace_has_ended(stack: WellStack) -> None:
    tenants = Tenants(stack, by="ada", clock=FakeClock(NOW_S - 7200))
    tenants.add("acme")
    key, _ = tenants.create_key("acme")
    tenants.rotate_key(key.key_id, grace_s=3600)
