"""What an answer of the HTTP door says, in one line, and what it says of itself."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import httpx

ERROR_FIELDS = frozenset({"error", "code", "detail", "field", "retryable"})
_SHOWN = 80


def is_well(answer: httpx.Response, status: int = 200) -> bool:
    """Return whether an answer has exactly this status: another success is none, and a redirect neither."""
    return answer.status_code == status


def told(answer: httpx.Response) -> str:
    """Return an answer's status with its code, where it leads to, or its first words."""
    if answer.is_redirect:
        return f"HTTP {answer.status_code}, a redirect to {urlsplit(answer.headers.get('location', '')).netloc}"
    error = error_of(answer)
    if error is not None and "code" in error:
        return f"HTTP {answer.status_code} {error['code']}: {error.get('detail', '')}"
    return f"HTTP {answer.status_code}: {answer.text[:_SHOWN]!r}"


def error_of(answer: httpx.Response) -> dict[str, Any] | None:
    """Return the JSON object of an answer, None if it is none."""
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def what_is_not_ours(answer: httpx.Response, *, status: int, code: str) -> str:
    """Return how an error differs from ours; empty if it does not."""
    error = error_of(answer)
    if not is_well(answer, status) or error is None or error.get("code") != code:
        return f"{told(answer)} instead of {status} {code}"
    if missing := sorted(ERROR_FIELDS - set(error)):
        return f"{status} {code} lacks {', '.join(missing)}"
    return ""


def as_json(answer: httpx.Response) -> Any:
    """Return the JSON of an answer; raises json.JSONDecodeError, which is a ValueError."""
    return json.loads(answer.content)
