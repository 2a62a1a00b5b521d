"""Nobody learns of another tenant's things: a foreign id's answer is byte for byte that of an id that nobody has.

Every route of the document with an id, by every kind of id, for three tenants in all directions.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import boto3
import pytest
from every_route import JSON, routes
from tenant_matrix import Tenant, differences, item, own_answers, tenants
from test_handlers import REGION, Functions, functions

__all__ = ["functions"]  # the fixture


@pytest.fixture(scope="module")
def three(functions: Functions) -> list[Tenant]:
    table = boto3.resource("dynamodb", region_name=REGION).Table("table")
    return tenants(functions, table, count=3, chance=Random("things"))


def test_a_foreign_id_is_answered_as_one_that_nobody_has(functions: Functions, three) -> None:
    assert own_answers(functions, three) == {200}

    assert list(differences(functions, three, chance=Random("of nobody"))) == []
    assert own_answers(functions, three) == {200}  # nothing was cancelled or changed either


def test_the_matrix_has_every_route_with_an_id() -> None:
    with_id = {path for _method, path in routes() if "{" in path and "{model}" not in path}

    assert all("{id}" in path for path in with_id)
    assert len(with_id) >= 7


def test_a_cursor_of_another_tenant_is_as_good_as_garbage(functions: Functions, three) -> None:
    owner, asking = three[0], three[1]
    cursor = listed(functions, owner, {"limit": "1"})[1]["next_cursor"]

    foreign, garbage = (listed(functions, asking, {"limit": "1", "cursor": each}) for each in (cursor, "AAAA"))

    assert listed(functions, owner, {"limit": "1", "cursor": cursor})[0] == 200
    assert foreign == garbage
    assert foreign[0] == 400


def test_lists_hold_a_tenants_own_jobs_only(functions: Functions, three) -> None:
    for tenant in three:
        shown = {each["id"] for each in listed(functions, tenant, {"limit": "100"})[1]["jobs"]}
        others = {name for other in three if other is not tenant for name in other.things.values()}

        assert {tenant.things["batch"], tenant.things["call"]} <= shown
        assert not shown & others


def test_ids_and_idempotency_keys_of_others_are_free_to_use(functions: Functions, three) -> None:
    body = {"schema_version": 1, "model": "shade", "lane": "cpu", "input": {"items": [item("a", 0)]}}
    other = {**body, "priority": 7}

    made = [post(functions, three[0], "/jobs", body, key="mine"), post(functions, three[1], "/jobs", other, key="mine")]
    same_id = [post(functions, tenant, "/jobs", {**body, "id": "job-of-two"}) for tenant in three[:2]]

    assert [status for status, _body in made] == [202, 202]
    assert [(status, answer["id"]) for status, answer in same_id] == [(202, "job-of-two")] * 2
    shown = [
        functions.http("jobs", "GET", f"/jobs/{answer['id']}", key=tenant.key)[1]["priority"]
        for tenant, (_status, answer) in zip(three, made, strict=False)
    ]
    assert shown[1] == 7 != shown[0]


def test_inputs_of_others_are_refused_whether_they_are_there_or_not(functions: Functions, three) -> None:
    owner, asking = three[0], three[1]
    functions.s3.put_object(Bucket="data", Key=f"inputs/{owner.name}/there.jsonl", Body=b'{"id": "a"}')
    body = {"schema_version": 1, "model": "shade", "lane": "cpu"}

    there, missing = (
        post(functions, asking, "/jobs", {**body, "input": {"manifest_uri": f"s3://data/inputs/{owner.name}/{name}"}})
        for name in ("there.jsonl", "gone!.jsonl")
    )

    assert there == missing
    assert there[0] == 422


def test_secrets_of_webhooks_are_a_tenants_own(functions: Functions, three) -> None:
    found = [functions.http("jobs", "GET", "/webhooks/secret", key=tenant.key)[1]["secret"] for tenant in three]

    functions.http("jobs", "POST", "/webhooks/secret", key=three[0].key)
    after = [functions.http("jobs", "GET", "/webhooks/secret", key=tenant.key)[1]["secret"] for tenant in three]

    assert len({*found}) == 3
    assert (after[0] != found[0], after[1:]) == (True, found[1:])


def post(functions: Functions, tenant: Tenant, path: str, body: Any, *, key: str | None = None) -> tuple[int, Any]:
    headers = JSON if key is None else {**JSON, "idempotency-key": key}
    status, answer, _ = functions.http("jobs", "POST", path, json.dumps(body).encode(), key=tenant.key, headers=headers)
    return status, answer


def listed(functions: Functions, tenant: Tenant, query: dict[str, str]) -> tuple[int, Any]:
    status, answer, _ = functions.http("jobs", "GET", "/jobs", key=tenant.key, query=query)
    return status, answer
