"""Clients of the HTTP door: a redirect has done nothing, and is never told as a success."""

from pathlib import Path

import httpx
import pytest

from lambent_toolkit.jobs.client import Door, JobsClient
from lambent_toolkit.modelkit.errors import ServiceUnreachable

ELSEWHERE = httpx.Response(307, headers={"location": "https://elsewhere.example/"}, text="<Error/>")


def redirected(_request: httpx.Request) -> httpx.Response:
    return ELSEWHERE


def uploads_redirected(request: httpx.Request) -> httpx.Response:
    if request.url.host == "door":
        return httpx.Response(201, json={"upload": {"url": "http://store", "fields": {}, "file_field": "file"}})
    return ELSEWHERE


def test_a_job_that_was_redirected_was_not_submitted() -> None:
    with (
        JobsClient(Door("http://door", "key"), transport=httpx.MockTransport(redirected)) as client,
        pytest.raises(ServiceUnreachable, match="HTTP 307"),
    ):
        client.submit({"id": "a"})


def test_an_upload_that_was_redirected_was_not_made(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("an input")

    with (
        JobsClient(Door("http://door", "key"), transport=httpx.MockTransport(uploads_redirected)) as client,
        pytest.raises(ServiceUnreachable, match="HTTP 307"),
    ):
        client.upload_input(file, name="a.txt", content_type="text/plain", sha256="0" * 64)


def test_a_part_that_was_redirected_was_not_read() -> None:
    with (
        JobsClient(Door("http://door", "key"), transport=httpx.MockTransport(redirected)) as client,
        pytest.raises(ServiceUnreachable, match="307"),
    ):
        list(client.download("http://store/part"))
