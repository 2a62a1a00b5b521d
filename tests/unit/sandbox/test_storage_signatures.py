"""Presigned links and forms of the local storage: what AWS refuses is refused, with its words."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from werkzeug.test import EnvironBuilder

from lambent_toolkit.sandbox.stack_info import CREDENTIALS
from lambent_toolkit.sandbox.storage_signatures import refuse_presigned

CONTENT = b"twelve bytes"
LIFETIME_S = 60
SECRETS = {CREDENTIALS["aws_access_key_id"]: CREDENTIALS["aws_secret_access_key"]}
CHECKSUM = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()


@pytest.fixture(scope="module")
def s3() -> Any:
    """Return a client that signs as the functions of a local stack do."""
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    return boto3.client(
        "s3", endpoint_url="http://127.0.0.1:4000", region_name="eu-south-1", config=config, **CREDENTIALS
    )


def link(s3: Any) -> str:
    parameters = {"Bucket": "data", "Key": "jobs/a b/ü.json", "ResponseContentType": "application/json"}
    return str(s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=LIFETIME_S))


def form(s3: Any) -> dict[str, Any]:
    fields = {"Content-Type": "text/plain", "x-amz-checksum-sha256": CHECKSUM}
    conditions = [*({name: value} for name, value in fields.items()), ["content-length-range", 5, 20]]
    return dict(
        s3.generate_presigned_post("data", "inbox/a", Fields=fields, Conditions=conditions, ExpiresIn=LIFETIME_S)
    )


def environ_of(builder: EnvironBuilder) -> dict[str, Any]:
    environ = builder.get_environ()
    with environ["wsgi.input"] as body:
        environ["wsgi.input"] = BytesIO(body.read())
    builder.close()
    return environ


def refused(method: str, url: str, *, after_s: float = 0, **request: Any) -> str | None:
    """Return the code that a request is refused with, or None."""
    parts = urlsplit(url)
    builder = EnvironBuilder(
        method=method, path=parts.path, base_url="http://127.0.0.1:4000", query_string=parts.query, **request
    )
    environ = environ_of(builder)
    environ["RAW_URI"] = f"{parts.path}?{parts.query}"
    error = refuse_presigned(environ, datetime.now(UTC) + timedelta(seconds=after_s), SECRETS.get)
    return None if error is None else f"{error.status[:3]} {error.code}: {error.message}"


def posted(told: dict[str, Any], content: bytes = CONTENT, *, after_s: float = 0, **changes: str) -> str | None:
    fields = {**told["fields"], **changes}
    return refused("POST", told["url"], after_s=after_s, data={**fields, "file": (BytesIO(content), "a.txt")})


def test_a_link_as_it_was_signed_is_taken(s3: Any) -> None:
    assert refused("GET", link(s3)) is None


@pytest.mark.parametrize(
    ("change", "to"),
    [("/data/jobs/", "/data/secrets/"), ("application%2Fjson", "text%2Fhtml"), ("Expires=60", "Expires=6000")],
)
def test_a_link_that_was_changed_is_refused(s3: Any, change: str, to: str) -> None:
    assert change in link(s3)

    assert str(refused("GET", link(s3).replace(change, to))).startswith("403 SignatureDoesNotMatch: ")


def test_a_link_of_another_method_is_refused(s3: Any) -> None:
    assert str(refused("PUT", link(s3))).startswith("403 SignatureDoesNotMatch: ")


def test_a_link_that_has_expired_is_refused(s3: Any) -> None:
    assert refused("GET", link(s3), after_s=LIFETIME_S + 1) == "403 AccessDenied: Request has expired"


def test_a_link_whose_signature_cannot_be_read_is_refused() -> None:
    refusal = refused("GET", "http://127.0.0.1:4000/data/a?X-Amz-Signature=00&X-Amz-Credential=nobody")

    assert str(refusal).startswith("400 AuthorizationQueryParametersError: ")


def test_a_form_as_it_was_signed_is_taken_and_its_body_is_put_back(s3: Any) -> None:
    told = form(s3)
    data = {**told["fields"], "file": (BytesIO(CONTENT), "a")}
    environ = environ_of(EnvironBuilder(method="POST", path="/data", data=data))

    assert refuse_presigned(environ, datetime.now(UTC), SECRETS.get) is None
    assert CONTENT in environ["wsgi.input"].read()


@pytest.mark.parametrize(
    ("content", "changes", "refusal"),
    [
        (bytes(21), {}, "400 EntityTooLarge"),
        (bytes(4), {}, "400 EntityTooSmall"),
        (CONTENT.upper(), {}, "400 BadDigest"),
        (CONTENT, {"key": "inbox/b"}, "403 AccessDenied: Invalid according to Policy: Policy Condition failed: "),
        (CONTENT, {"Content-Type": "text/html"}, "403 AccessDenied: Invalid according to Policy: Policy Condition"),
        (CONTENT, {"acl": "public-read"}, "403 AccessDenied: Invalid according to Policy: Extra input fields: acl"),
        (CONTENT, {"policy": base64.b64encode(b'{"expiration":"2100-01-01T00:00:00Z","conditions":[]}').decode()},
         "403 SignatureDoesNotMatch"),
        (CONTENT, {"policy": "nonsense"}, "400 InvalidPolicyDocument"),
    ],
)  # fmt: skip
def test_a_form_that_was_changed_is_refused(s3: Any, content: bytes, changes: dict[str, str], refusal: str) -> None:
    assert str(posted(form(s3), content, **changes)).startswith(refusal)


def test_a_form_for_another_bucket_is_refused(s3: Any) -> None:
    told = form(s3)

    assert str(posted({**told, "url": told["url"].replace("/data", "/models")})).startswith(
        "403 AccessDenied: Invalid according to Policy: Policy Condition failed: "
    )


def test_a_form_that_has_expired_is_refused(s3: Any) -> None:
    refusal = posted(form(s3), after_s=LIFETIME_S + 1)

    assert refusal == "403 AccessDenied: Invalid according to Policy: Policy expired."


def test_a_form_without_a_policy_is_refused() -> None:
    assert refused("POST", "http://127.0.0.1:4000/data", data={"key": "a", "file": (BytesIO(b"x"), "a")}) == (
        "403 AccessDenied: Access Denied"
    )


def test_what_is_not_presigned_is_left_to_others() -> None:
    assert refused("PUT", "http://127.0.0.1:4000/data/a", data=b"x") is None


def test_a_link_and_a_form_of_a_key_that_nobody_has_are_refused(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    signed, told = link(s3), form(s3)
    monkeypatch.delitem(SECRETS, CREDENTIALS["aws_access_key_id"])

    assert str(refused("GET", signed)).startswith("403 InvalidAccessKeyId")
    assert str(posted(told)).startswith("403 InvalidAccessKeyId")
