"""POST /uploads over the wire: a grant, a browser's form, the outcome; and the 413 that shows the way there."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import sha256
from typing import Any

import httpx
import pytest

from patience import PATIENCE_S, wait_for


def grant(product: Any, body: bytes, **changes: Any) -> dict[str, Any]:
    wanted = {"model": "digits", "content_type": "image/png", "sha256": sha256(body).hexdigest(), **changes}
    answer = product.http.post("/uploads", json=wanted)
    assert answer.status_code == 201, answer.text
    assert str(answer.url.join(answer.headers["location"])) == product.info.url + answer.json()["then"]["path"]
    return dict(answer.json())


def send(form: dict[str, Any], body: bytes) -> httpx.Response:
    """Send a form as a browser does: the fields as they are, the content last."""
    return httpx.post(form["url"], data=form["fields"], files={form["file_field"]: ("blob", body)}, timeout=PATIENCE_S)


def outcome(product: Any, path: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        shown = product.http.get(path).json()
        return shown if shown["state"] != "pending" else None

    return dict(wait_for(look, what=path))


def test_a_granted_upload_is_answered(product: Any) -> None:
    granted = grant(product, product.seven, size_bytes=len(product.seven), name="seven.png")
    before = product.http.get(granted["then"]["path"]).json()

    sent = send(granted["upload"], product.seven)
    shown = outcome(product, granted["then"]["path"])

    assert sent.is_success
    assert (before["state"], before["result"], before["error"]) == ("pending", None, None)
    assert (shown["state"], shown["result"]["label"], shown["result"]["model"]) == ("done", "7", "digits")
    assert granted["upload"]["fields"]["key"] == f"inbox/default/digits/{granted['id']}/seven.png"


def test_the_store_refuses_other_content_than_the_form_is_for(product: Any) -> None:
    other = next(png for png, label in product.pictures if label != "7")
    granted = grant(product, product.seven)

    sent = send(granted["upload"], other)

    assert sent.status_code == 400
    assert product.read(granted["upload"]["fields"]["key"]) is None


def test_what_the_store_lets_in_is_checked_again(product: Any) -> None:
    other = next(png for png, label in product.pictures if label != "7")
    granted = grant(product, product.seven)
    key = granted["upload"]["fields"]["key"]

    product.s3.put_object(Bucket=product.data, Key=key, Body=other, ContentType="image/png")
    shown = outcome(product, granted["then"]["path"])

    assert (shown["state"], shown["error"]["code"]) == ("failed", "checksum_mismatch")
    assert shown["error"]["retryable"] is False


def test_another_type_than_announced_is_refused(product: Any) -> None:
    granted = grant(product, product.seven)
    key = granted["upload"]["fields"]["key"]

    product.s3.put_object(Bucket=product.data, Key=key, Body=product.seven, ContentType="image/jpeg")
    shown = outcome(product, granted["then"]["path"])

    assert (shown["state"], shown["error"]["code"]) == ("failed", "media_type_unsupported")


def test_a_key_of_a_grant_that_is_not_there_is_refused(product: Any) -> None:
    key = f"default/digits/up-{'0' * 32}/a.png"

    product.put(f"inbox/{key}", product.seven)

    assert product.wait_for_json(f"results/{key}.error.json")["code"] == "upload_key_invalid"


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"tenant": "other"}, 422, "field_not_allowed", "tenant"),
        ({"key": "inbox/other/digits/a"}, 422, "field_not_allowed", "key"),
        ({"model": "nobody"}, 404, "model_not_found", "model"),
        ({"sha256": "short"}, 422, "request_invalid", "sha256"),
        ({"content_type": "image"}, 422, "request_invalid", "content_type"),
        ({"name": "../../etc/passwd"}, 422, "request_invalid", "name"),
        ({"name": "a.error"}, 422, "upload_key_invalid", "key"),
        ({"size_bytes": 0}, 422, "request_invalid", "size_bytes"),
        ({"size_bytes": 999_999_999}, 413, "payload_too_large", "size_bytes"),
    ],
)
def test_a_bad_request_for_a_grant_gets_its_coded_answer(
    product: Any, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    wanted = {"model": "digits", "content_type": "image/png", "sha256": "0" * 64, **changes}

    answer = product.http.post("/uploads", json=wanted)

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)


def test_an_unknown_upload_is_not_found(product: Any) -> None:
    answer = product.http.get("/uploads/up-none")

    assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")


def test_a_body_that_is_too_large_for_the_door_is_let_in_by_the_grant_that_its_413_holds(product: Any) -> None:
    # A PNG may be followed by anything; Pillow stops at its end.
    body = product.seven + bytes(4_660_000 - len(product.seven))
    refused = product.http.post("/models/digits/predict", content=body, headers={"Content-Type": "image/png"})
    upload = refused.json()["upload"]

    sent = send(upload["grant"]["upload"], body)
    shown = outcome(product, upload["grant"]["then"]["path"])
    by_hand = product.http.request(
        upload["request"]["method"], upload["request"]["path"], json=upload["request"]["body"]
    )

    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    assert (refused.json()["limit"], refused.json()["got"]) == (4_650_000, 4_660_000)
    assert sent.is_success
    assert (shown["state"], shown["result"]["label"]) == ("done", "7")
    assert by_hand.status_code == 201


def test_the_gateways_own_413_says_what_to_send(product: Any) -> None:
    answer = product.http.post("/models/digits/predict", content=bytes(11_000_000))

    request = answer.json()["upload"]["request"]
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert (request["method"], request["path"], set(request["body"])) == (
        "POST",
        "/uploads",
        {"model", "content_type", "sha256"},
    )


def test_the_form_s_policy_allows_this_object_only(product: Any) -> None:
    fields = grant(product, product.seven, size_bytes=len(product.seven))["upload"]["fields"]

    conditions = json.loads(b64decode(fields["policy"]))["conditions"]
    assert {"key": fields["key"]} in conditions
    assert ["content-length-range", len(product.seven), len(product.seven)] in conditions
    assert {"Content-Type": "image/png"} in conditions
    assert {"bucket": product.data} in conditions
    assert fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
