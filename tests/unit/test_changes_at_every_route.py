"""Which route leaves a line in the trail of changes: every route of the API's document, reading ones included."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from every_route import ask, routes
from test_handlers import REGION, Functions, functions

from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.dynamodb_trail import DynamoTrail
from lambent.domain.caller import Scope

__all__ = ["functions"]  # the fixture
ROUTES = sorted(routes())
READS = ("get", "head")
# What of a stack outlives its jobs, and the line that tells of its change.
RECORDED = {
    ("post", "/v2/repository/models/{model}/load"): "load",
    ("post", "/v2/repository/models/{model}/unload"): "unload",
    ("post", "/webhooks/secret"): "webhook secret rotated",
}
WORK = (
    "a tenant's own work, which its job tells of for as long as it is kept; one head for all lines is no place for it"
)
GRANT = "a grant of 15 minutes, which changes nothing by itself"
QUESTION = "a question in a body"
UNRECORDED = {
    **dict.fromkeys(("/jobs", "/jobs/{id}", "/jobs/{id}/retry", "/jobs/{id}/priority"), WORK),
    **dict.fromkeys(("/uploads", "/inputs"), GRANT),
    "/v2/repository/index": QUESTION,
}
# Predictions, by all protocols: for later they are jobs.
PREDICTS = ("/predict", "/infer", ":predict", ":classify", ":regress")
PRESENT_JOB = "recorded-1"


def lines() -> list[str]:
    """Return what the trail's lines tell of, in their order."""
    found, _head = DynamoTrail(DynamoTable(boto3.client("dynamodb", region_name=REGION), "table")).lines()
    return [each.line.entry.action for each in found if each.line is not None]


def all_scopes(functions: Functions) -> str:
    """Return a key that opens every route, of a tenant that has a job."""
    row: dict[str, Any] = {"pk": "APIKEY#whole", "sk": "TENANT", "tenant": "acme", "scopes": list(map(str, Scope))}
    boto3.resource("dynamodb", region_name=REGION).Table("table").put_item(Item=row)
    item = {"id": "a", "uri": "s3://data/inputs/acme/a"}
    batch = {"schema_version": 1, "id": PRESENT_JOB, "model": "shade", "lane": "cpu", "input": {"items": [item]}}
    assert functions.http("jobs", "POST", "/jobs", json.dumps(batch).encode(), key="whole")[0] == 202
    return "whole"


def test_every_route_that_may_change_something_is_recorded_or_says_why_it_is_not() -> None:
    changing = {(method, path) for method, path in ROUTES if method not in READS and not path.endswith(PREDICTS)}

    assert changing - set(RECORDED) == {pair for pair in changing if pair[1] in UNRECORDED}
    assert {path for _method, path in changing} == {path for _method, path in RECORDED} | set(UNRECORDED)
    assert not {path for _method, path in RECORDED} & set(UNRECORDED)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_leaves_the_lines_of_its_change_and_no_others(functions: Functions, method: str, path: str) -> None:
    key = all_scopes(functions)
    if path == "/webhooks/secret":  # a first secret is made for whoever looks, and nothing changes by it
        ask(functions, "get", path, key=key)
    before = lines()

    model = {"model": "shade"} if (method, path) in RECORDED else {}
    status, body, _headers = ask(functions, method, path, key=key, **({"id": PRESENT_JOB} | model))

    wanted = [RECORDED[method, path]] if (method, path) in RECORDED else []
    assert lines() == [*before, *wanted], (status, body)
    assert not wanted or status < 300, (status, body)
