"""Answers that pages of other origins may read (Fetch, 3.2): a Lambda proxy integration leaves that to the function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambent.runtime.http_event import HttpEvent
from lambent.runtime.wiring import allowed_origins

ANY_ORIGIN = "*"
# What a script may read besides the fields that it always may; the OpenAPI document names the same.
EXPOSED = (
    "Content-Encoding",
    "Inference-Header-Content-Length",
    "Lambent-Canary",
    "Lambent-Cold-Start",
    "Lambent-Job-State",
    "Lambent-Model",
    "Lambent-Next-Cursor",
    "Link",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Server-Timing",
    "WWW-Authenticate",
    "x-amzn-Remapped-WWW-Authenticate",
    "x-amzn-RequestId",
)
_EXPOSED = ", ".join(EXPOSED)


def share_answer(answer: dict[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a proxy answer with what lets a page of an allowed origin read it; without such origins, as it is.

    No credentials: the key is a header that the page itself sends.
    """
    allowed = allowed_origins()
    if not allowed:
        return answer
    headers: dict[str, list[str]] = dict(answer["multiValueHeaders"])
    is_any = ANY_ORIGIN in allowed
    origin = HttpEvent(event).headers.get("origin")
    if not is_any:
        # A cache must not give one origin the answer to another.
        headers["Vary"] = [", ".join([*headers.get("Vary", []), "Origin"])]
    if is_any or origin in allowed:
        named = ANY_ORIGIN if is_any else str(origin)
        headers |= {"Access-Control-Allow-Origin": [named], "Access-Control-Expose-Headers": [_EXPOSED]}
    return {**answer, "multiValueHeaders": headers}
