"""Each kind of bad request over HTTP, in the order of the checks: what is said, of what, with which limit."""

from __future__ import annotations

import pytest
from bad_input import encoded
from bad_jobs import GOOD as GOOD_JOB
from bad_jobs import changed
from bad_oip import GOOD, infer
from http_rows import BIG, ROWS, as_key
from plane import Plane, Request
from refusals import check_refusal


@pytest.mark.parametrize("name", ROWS)
def test_a_refusal_says_what_where_which_limit_and_what_came(plane: Plane, name: str) -> None:
    row = ROWS[name]

    answer = plane.send(row.request)

    check_refusal(answer, [row.code])
    body = answer.json
    assert (answer.status, body["code"]) == (row.status, row.code)
    assert [part for part in row.says if part not in body["detail"]] == [], body["detail"]
    if row.field is not None:
        assert body["field"] == row.field
    if row.limit is not None:
        assert body["limit"] == row.limit
    if row.got is not None:
        assert body["got"] == row.got


def test_row_01_a_refused_key_is_challenged(plane: Plane) -> None:
    answer = plane.send(Request("GET", "/models", key=None))

    assert answer.headers["www-authenticate"] == 'ApiKey realm="lambent", header="x-api-key"'


def test_row_03_a_foreign_job_is_answered_as_one_that_does_not_exist(plane: Plane) -> None:
    assert plane.send(changed(id="of-acme")).status == 202

    foreign = plane.send(as_key(Request("GET", "/jobs/of-acme"), "other-tenant")).json
    unknown = plane.send(as_key(Request("GET", "/jobs/of-nobody"), "other-tenant")).json

    assert {**foreign, "request_id": ""} == {**unknown, "request_id": ""}


def test_row_15_a_key_for_idempotency_is_held_to_its_first_request(plane: Plane) -> None:
    body = {name: value for name, value in GOOD_JOB.items() if name != "id"}
    headers = {"content-type": "application/json", "idempotency-key": "once"}

    first = plane.send(Request("POST", "/jobs", encoded(body), headers))
    same = plane.send(Request("POST", "/jobs", encoded(body), headers))
    other = plane.send(Request("POST", "/jobs", encoded({**body, "lane": "cpu"}), headers))

    assert (first.status, same.status, first.json["id"]) == (202, 202, same.json["id"])
    check_refusal(other, ["idempotency_mismatch"])
    assert other.json["got"]["job_id"] == first.json["id"]
    assert first.json["created_at"] in other.json["detail"]


def test_row_16_a_key_over_its_rate_is_told_when_to_come_back(plane: Plane) -> None:
    answers = [plane.send(as_key(Request("GET", "/models"), "slow")) for _ in range(3)]

    check_refusal(answers[-1], ["rate_limited"])
    assert answers[-1].status == 429
    assert answers[-1].headers["retry-after"] == "1"


def test_row_16_a_key_over_its_rate_is_refused_before_its_bodys_size_is_looked_at(plane: Plane) -> None:
    answers = [plane.send(as_key(infer(bytes(10 * 1024 * 1024 + 1)), "slow")) for _ in range(3)]

    check_refusal(answers[-1], ["rate_limited"])


UNKNOWN = "/models/nobody/predict"
WRONG_TWICE = {
    "authenticate_before_size": (as_key(infer(BIG), None), "auth_invalid"),
    "authenticate_before_authorise": (as_key(Request("GET", "/v2/models/nobody"), "guess"), "auth_invalid"),
    "size_before_type": (
        Request("POST", "/models/shade/predict", BIG, {"content-type": "text/html"}),
        "payload_too_large",
    ),
    "size_before_authorise": (as_key(infer(BIG), "jobs-only"), "payload_too_large"),
    "size_before_the_models_name": (Request("POST", UNKNOWN, BIG, {"content-type": "image/png"}), "payload_too_large"),
    "type_before_parse": (Request("POST", "/jobs", b"{", {"content-type": "text/html"}), "media_type_unsupported"),
    "type_before_parse_of_tensors": (infer(b"{", content_type="text/html"), "media_type_unsupported"),
    "coding_before_parse": (infer(b"{", content_encoding="br"), "media_type_unsupported"),
    "parse_before_schema": (infer(b'{"inputs": 5} x'), "json_invalid"),
    "parse_before_authorise": (as_key(infer(b"{"), "jobs-only"), "json_invalid"),
    "schema_before_authorise": (as_key(infer(b'{"inputs": 5}'), "jobs-only"), "request_invalid"),
    "schema_of_a_job_before_authorise": (as_key(changed(tenant=1), "predict-only"), "field_not_allowed"),
    "authorise_before_the_models_name": (
        as_key(Request("POST", "/v2/models/nobody/infer", encoded(GOOD)), "jobs-only"),
        "forbidden_action",
    ),
    "schema_before_the_address": (changed(tenant=1, input={"manifest_uri": "http://a"}), "field_not_allowed"),
}


@pytest.mark.parametrize("name", WRONG_TWICE)
def test_a_request_wrong_in_two_ways_gets_the_earlier_refusal(plane: Plane, name: str) -> None:
    request, code = WRONG_TWICE[name]

    check_refusal(plane.send(request), [code])
