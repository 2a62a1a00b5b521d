"""An upload as a browser or any HTTP client makes it: ask, send the form, look for the result."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import httpx
from door import Door

from patience import PATIENCE_S, wait_for


def grant(http: httpx.Client, content: bytes, **more: Any) -> dict[str, Any]:
    wanted = {"model": "digits", "content_type": "image/png", "sha256": sha256(content).hexdigest(), **more}
    return http.post("/uploads", json=wanted).raise_for_status().json()


def send(form: dict[str, Any], content: bytes) -> httpx.Response:
    return httpx.post(form["url"], data=form["fields"], files={form["file_field"]: content}, timeout=PATIENCE_S)


def outcome(http: httpx.Client, path: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        upload = http.get(path).raise_for_status().json()
        return upload if upload["state"] != "pending" else None

    return wait_for(look, what=f"the outcome of {path}")


def test_an_uploaded_picture_gets_its_label(door: Door, seven: bytes) -> None:
    with door.http() as http:
        granted = grant(http, seven, name="seven.png", size_bytes=len(seven))
        sent = send(granted["upload"], seven)
        upload = outcome(http, granted["then"]["path"])

    assert sent.is_success
    assert upload["state"] == "done"
    assert upload["result"]["label"] == "7"


def test_other_bytes_than_were_announced_are_refused_and_reported(door: Door, seven: bytes) -> None:
    with door.http() as http:
        granted = grant(http, seven)
        sent = send(granted["upload"], seven + b"x")
        upload = outcome(http, granted["then"]["path"]) if sent.is_success else None

    # S3 itself refuses them; a store that does not look leaves it to the service.
    if upload is not None:
        assert (upload["state"], upload["error"]["code"]) == ("failed", "checksum_mismatch")
