"""Errors of AWS as the SDK receives them, for tests that put a fault where it sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse


class _Raw:
    """A body as the SDK reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content

    def read(self, *_: Any, **__: Any) -> bytes:
        content, self._content = self._content, b""
        return content


def error_answer(url: str, status: int, code: str) -> AWSResponse:
    """Return an error's answer, in the words of the service that the address is of."""
    told = f"<Error><Code>{code}</Code></Error>" if "s3" in url else json.dumps({"__type": code})
    return AWSResponse(url, status, {"x-amzn-errortype": code}, _Raw(told.encode()))
