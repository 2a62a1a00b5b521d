"""Which key opens which route: every route of the API's document, with every scope and with none."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import boto3
import pytest
from every_route import ask, function_of, routes, scopes_of
from test_handlers import REGION, Functions, functions

from builders import picture
from lambent.domain.caller import Scope
from lambent_toolkit.openapi.route_scopes import ROUTE_SCOPES

__all__ = ["functions"]  # the fixture
ROUTES = sorted(routes())
REFUSED = (401, 403)


def key_with(*scopes: str) -> str:
    """Return a key of `acme` with these scopes, which is registered."""
    key = f"scoped-{'-'.join(scopes)}"
    row = {"pk": f"APIKEY#{key}", "sk": "TENANT", "tenant": "acme", "scopes": list(scopes)}
    boto3.resource("dynamodb", region_name=REGION).Table("table").put_item(Item=row)
    return key


def test_every_route_of_the_document_has_a_row_and_every_row_a_route() -> None:
    assert set(ROUTE_SCOPES) == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_opens_to_its_scopes_and_to_no_other(functions: Functions, method: str, path: str) -> None:
    wanted = scopes_of(method, path)

    opened = {scope for scope in map(str, Scope) if ask(functions, method, path, key=key_with(scope))[0] not in REFUSED}
    without = ask(functions, method, path, key=key_with())[0]
    nobody = ask(functions, method, path, key="nobody")[0]

    if wanted:
        assert (opened, without, nobody) == (wanted, 403, 401)
    else:
        assert (opened, without, nobody) == (set(map(str, Scope)), 200, 200)


def test_a_key_that_may_predict_reads_its_calls_for_later_and_no_batch(functions: Functions) -> None:
    key = key_with("predict")
    later = {"content-type": "image/png", "prefer": "respond-async"}
    call = functions.http("predict", "POST", "/models/shade/predict", picture(0), key=key, headers=later)
    items = [{"id": "a", "image": {"b64": b64encode(picture(0)).decode()}}]
    batch = {"schema_version": 1, "id": "unread-1", "model": "shade", "lane": "cpu", "input": {"items": items}}
    functions.http("jobs", "POST", "/jobs", json.dumps(batch).encode())

    shown = [functions.http("jobs", "GET", f"/jobs/{name}", key=key) for name in (call[1]["id"], "unread-1", "none")]

    assert [status for status, _body, _headers in shown] == [200, 403, 404]
    assert (shown[1][1]["code"], shown[1][1]["limit"]) == ("forbidden_action", "jobs")


def test_a_row_of_an_earlier_release_without_scopes_has_those_it_had(functions: Functions) -> None:
    opened = {
        scope
        for method, path in ROUTES
        for scope in scopes_of(method, path)
        if ask(functions, method, path, key="plain")[0] not in REFUSED
    }
    unload = ask(functions, "post", "/v2/repository/models/{model}/unload", key="plain")

    assert opened == {"jobs", "operator", "predict"}  # with any of them, which two of three are
    assert unload[0] == 403


@pytest.mark.parametrize("tenant", ["a/b", "../x", "x#y", "", "a" * 65])
def test_a_row_by_hand_with_a_tenant_that_may_not_be_opens_no_route(functions: Functions, tenant: str) -> None:
    row = {"pk": "APIKEY#by-hand", "sk": "TENANT", "tenant": tenant}
    boto3.resource("dynamodb", region_name=REGION).Table("table").put_item(Item=row)

    answers: dict[Any, int] = {
        (method, path): ask(functions, method, path, key="by-hand")[0]
        for method, path in ROUTES
        if scopes_of(method, path)
    }

    assert set(answers.values()) == {401}


def test_functions_share_the_routes_among_them() -> None:
    assert {function_of(method, path) for method, path in ROUTES} == {"predict", "jobs"}
