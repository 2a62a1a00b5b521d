"""HTTP requests and answers as the gateway knows them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request as the gateway read it; header names as they came."""

    method: str
    raw_path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def header(self, name: str) -> str | None:
        """Return the last value of a header."""
        wanted = name.lower()
        return next((value for key, value in reversed(self.headers) if key.lower() == wanted), None)


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class BinaryTypes:
    """Media types that travel base64-encoded, e.g. */* or image/*."""

    def __init__(self, types: Iterable[str]) -> None:
        self._types = {each.replace("~1", "/").lower() for each in types}

    def match(self, media_type: str | None) -> bool:
        """Tell whether a body of this Content-Type is binary."""
        if "*/*" in self._types:
            return True
        essence = (media_type or "application/json").partition(";")[0].strip().lower()
        return essence in self._types or f"{essence.partition('/')[0]}/*" in self._types
