"""Bad batch requests and reads at the jobs door."""

from __future__ import annotations

from random import Random
from typing import Any

from bad_input import BadInput, bad, encoded
from bad_json import json_classes
from plane import INTERNAL, TENANT, Request
from refusals import CANARY

GOOD: dict[str, Any] = {
    "schema_version": 1,
    "id": "batch-of-bad-input",
    "model": "shade",
    "input": {"manifest_uri": f"s3://{INTERNAL['DataBucket']}/inputs/{TENANT}/items.jsonl"},
}


def submit(body: bytes) -> Request:
    """Return a request that submits a batch."""
    return Request("POST", "/jobs", body, {"content-type": "application/json"})


def changed(**changes: Any) -> Request:
    """Return the good request after changes."""
    return submit(encoded({**GOOD, **changes}))


def _field_missing(random: Random) -> Request:
    lost = random.choice(list(GOOD))
    return submit(encoded({name: value for name, value in GOOD.items() if name != lost}))


def _set_by_the_service(random: Random) -> Request:
    name = random.choice(
        ["tenant", "status", "state", "result_key", "created_at", "version_id", "owner", "__class__", "Tenant"]
    )
    if random.random() < 0.3:
        return changed(input={**GOOD["input"], name: CANARY})
    return changed(**{name: random.choice([CANARY, 1, None, {}, [CANARY]])})


def _wrong_kind(random: Random) -> Request:
    name = random.choice(["schema_version", "id", "model", "input", "label", "version", "lane"])
    junk = [5, -1, 1.5, [], {}, [CANARY], True, {"a": CANARY}, 2**70, CANARY + "/"]
    return changed(**{name: random.choice(junk)})


def _id(random: Random) -> Request:
    ids = ["", "A", "-a", "a" * 65, "../a", "a/b", "a b", "a\n", "a\x00", "é", "a.b", "%2e%2e", "a" * 60_000, CANARY]
    return changed(id=random.choice(ids))


def _model(random: Random) -> Request:
    return changed(
        model=random.choice(["", "../x", "Shade", "a/b", "x" * 65, "shade\n", "\u202eshade", CANARY, ".", "a b"])
    )


def _uri(random: Random) -> Request:
    bucket = INTERNAL["DataBucket"]
    uri = random.choice(
        [
            "", CANARY, "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "s3://", "s3:///x",
            "https://a@b/c",
            f"s3://{bucket}/inputs/other/items.jsonl", f"s3://{bucket}/inputs/{TENANT}/../other/items.jsonl",
            f"s3://other-bucket/inputs/{TENANT}/items.jsonl", f"s3://{bucket}/inbox/other/x", f"s3://{bucket}",
            f"S3://{bucket}/inputs/{TENANT}/items.jsonl",
            "x" * 3000, "ftp://a/b",
            "gopher://127.0.0.1:6379/_", f"s3://{bucket}/inputs//{TENANT}/x",
        ]
    )  # fmt: skip
    return changed(input={"manifest_uri": uri})


def _input(random: Random) -> Request:
    """Return a request whose input is nothing, or two things, or one of another form."""
    home = f"s3://{INTERNAL['DataBucket']}/inputs/{TENANT}/"
    uri = f"{home}items.csv"
    return changed(
        input=random.choice(
            [
                {}, [], None, CANARY, {"uri": uri, "prefix": home}, {"manifest_uri": uri, "uri": uri},
                {"items": [], "uri": uri}, {"items": []}, {"items": {}}, {"items": [CANARY]}, {"prefix": 5},
                {"uri": uri, "format": "xlsx"}, {"uri": f"{home}items.txt"}, {"uri": f"{home}items"},
                {"prefix": home, "format": "zip"}, {"prefix": home, "id_column": "id"}, {"items": [], "etag": "x"},
                {"uri": uri, "id_column": ""}, {"uri": uri, "id_column": "x" * 257}, {"uri": uri, "etag": ""},
                {"failed_of": "../x"}, {"failed_of": ""}, {"failed_of": "job-1", "uri": uri}, {"uri": [uri]},
            ]
        )
    )  # fmt: skip


def _prefix(random: Random) -> Request:
    bucket = INTERNAL["DataBucket"]
    prefixes = [
        "", "/", CANARY, "s3://", f"s3://{bucket}", f"s3://{bucket}/", f"s3://{bucket}/inputs/", "http://169.254.169.254/",
        f"s3://{bucket}/inputs/other/", f"s3://{bucket}/inputs/{TENANT}", f"s3://{bucket}/inputs/{TENANT}/../other/",
        f"s3://{bucket}/inputs/{TENANT}/./", f"s3://{bucket}/jobs/{TENANT}/", f"s3://{bucket}/results/{TENANT}/",
        f"s3://{bucket}/inbox/other/", f"s3://other/inputs/{TENANT}/", f"s3://{bucket}/inputs/{TENANT}x/",
    ]  # fmt: skip
    return changed(input={random.choice(["prefix", "uri"]): random.choice(prefixes)})


def _inline_item(random: Random) -> Request:
    """Return a request with an inline item that is none, among good ones."""
    foreign = f"s3://{INTERNAL['DataBucket']}/inputs/other/a.png"
    own = f"s3://{INTERNAL['DataBucket']}/inputs/{TENANT}"
    item = random.choice(
        [
            {"id": "b"}, {"text": CANARY},
            {"id": "", "text": "x"}, {"id": "x" * 257, "text": "x"}, {"id": 5, "text": "x"},
            {"id": "b", "text": "x", "row": {}}, {"id": "b", "uri": foreign}, {"id": "b", "uri": "a.png"},
            {"id": "b", "uri": f"{own}/../other/a.png"}, {"id": "b", "uri": f"{own}/a.zip"},
            {"id": "b", "uri": f"{own}/"},
            {"id": "b", "image": {"b64": "***"}}, {"id": "b", "image": "aGk="}, {"id": "b", "row": []},
            {"id": "b", "text": "x", "tenant": "other"}, {"id": "a", "text": "x"}, {"id": "b", "text": 5}, [], None,
            CANARY,
        ]
    )  # fmt: skip
    items = [{"id": "a", "text": "good"}, item]
    return changed(input={"items": items})


def _job_id(random: Random) -> Request:
    ids = [
        "..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e",
        "a%00b",
        "x" * 65,
        "x" * 5000,
        "A",
        "a%20b",
        "%C3%A9",
        "JOB%23",
        "a%2Fb",
        "%ff",
        "-",
        "*",
    ]
    return Request("GET", f"/jobs/{random.choice(ids)}")


def _page(random: Random) -> Request:
    name = random.choice(["cursor", "limit"])
    values = [
        "",
        "0",
        "-1",
        "9" * 30,
        "abc",
        "AAAA",
        "%00",
        "1.5",
        "eyJhIjoxfQ==",
        "a" * 3000,
        "%C2%B2",
        "..%2f..",
        "null",
    ]
    return Request("GET", "/models", query=f"{name}={random.choice(values)}")


def _idempotency(random: Random) -> Request:
    body = {name: value for name, value in GOOD.items() if name != "id"}
    key = random.choice([None, "", " ", "a b", "\xff", "x" * 256, "x" * 5000, "\t", "\x7f"])
    headers = {"content-type": "application/json", **({} if key is None else {"idempotency-key": key})}
    return Request("POST", "/jobs", encoded(body), headers)


def grant(**changes: Any) -> Request:
    """Return a request for an upload grant."""
    good = {"model": "shade", "content_type": "image/png", "sha256": "0" * 64, "size_bytes": 5}
    return Request("POST", "/uploads", encoded({**good, **changes}), {"content-type": "application/json"})


def _grant(random: Random) -> Request:
    name, value = random.choice(
        [
            ("model", "../x"), ("model", 5), ("model", "nobody"), ("content_type", "png"), ("content_type",
            "image/png; a=b"),
            ("content_type", "image/\r\nX: y"), ("sha256", "0" * 63), ("sha256", "G" * 64), ("sha256", None),
            ("size_bytes", 0),
            ("size_bytes", -1), ("size_bytes", 2**70), ("size_bytes", 10**9), ("size_bytes", "5"), ("name", "../x"),
            ("name", ""),
            ("name", "a/b"), ("name", "x" * 200), ("key", "inbox/other/x"), ("tenant", "other"), ("version", "9"),
            ("label", "beta"),
        ]
    )  # fmt: skip
    return grant(**{name: value})


def _odd_read(random: Random) -> Request:
    ids = ["..", "%2e%2e", "a%00b", "x" * 2000, "%C3%A9", "up-0", "UP-1", "up-" + "0" * 32, "%ff", "*", "a%2Fb"]
    door = random.choice(["/uploads/{}", "/jobs/{}/result"])
    return Request("GET", door.format(random.choice(ids)))


CLASSES: list[BadInput] = [
    *json_classes(
        "jobs", encoded(GOOD), lambda _: submit(b""), "name_invalid model_not_found callback_url_refused job_id_reused"
    ),
    bad("jobs_field_missing", _field_missing, "request_invalid"),
    bad("jobs_field_set_by_the_service", _set_by_the_service, "field_not_allowed"),
    bad("jobs_field_of_another_kind", _wrong_kind, "request_invalid field_not_allowed name_invalid model_not_found"),
    bad("jobs_id_not_allowed", _id, "request_invalid name_invalid"),
    bad("jobs_version_and_label", lambda _: changed(version="1", label="live"), "request_invalid"),
    bad(
        "jobs_schema_version_unknown",
        lambda random: changed(schema_version=random.choice([0, 2, -1, 99, 2**65, 1.5])),
        "request_invalid",
    ),
    bad(
        "jobs_lane_unknown",
        lambda random: changed(lane=random.choice(["", "tpu", "CPU", "cpu ", CANARY])),
        "request_invalid",
    ),
    bad("jobs_too_large", lambda random: submit(b" " * random.randint(65_537, 200_000)), "payload_too_large"),
    bad("jobs_read_of_an_odd_id", _job_id, "job_not_found name_invalid route_not_found"),
    bad("jobs_input_of_no_kind_or_two", _input, "request_invalid field_not_allowed callback_url_refused"),
    bad("jobs_prefix_refused", _prefix, "callback_url_refused request_invalid"),
    bad("jobs_inline_item_that_is_none", _inline_item, "manifest_invalid request_invalid field_not_allowed"),
    bad("jobs_address_refused", _uri, "callback_url_refused request_invalid"),
    bad(
        "jobs_type_not_taken",
        lambda random: Request(
            "POST",
            "/jobs",
            encoded(GOOD),
            {
                "content-type": random.choice(
                    ["", "text/plain", "application/xml", "application/x-www-form-urlencoded", "json"]
                )
            },
        ),
        "media_type_unsupported",
    ),
    bad("jobs_without_id_and_with_a_bad_key", _idempotency, "request_invalid"),
    bad(
        "uploads_field_not_allowed",
        _grant,
        "name_invalid request_invalid field_not_allowed payload_too_large model_not_found",
    ),
    *json_classes(
        "uploads",
        encoded({"model": "shade", "content_type": "image/png", "sha256": "0" * 64}),
        lambda _: grant(),
        "name_invalid model_not_found",
    ),
    bad(
        "uploads_and_results_of_odd_ids",
        _odd_read,
        "job_not_found upload_not_found name_invalid route_not_found source_gone",
    ),
    bad("page_cursor_or_size_forged", _page, "cursor_invalid"),
]
