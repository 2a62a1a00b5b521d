"""What every refusal must be, whatever was wrong: of our one shape, helpful, and silent about the inside."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from plane import INTERNAL, KEY, Answer

from lambent.errors import LambentError
from lambent.runtime.http_errors import status_of

# Bad input carries this where a client would have content; no refusal and no log line may repeat it.
CANARY = "cAn4ry9f3e7b"
FIELDS = {
    "error", "code", "title", "detail", "field", "limit", "got", "retryable", "type", "status", "request_id",
}  # fmt: skip
MAX_REFUSAL_BYTES = 16_384
MAX_DETAIL_CHARACTERS = 1_000
LEAKS = [
    re.compile(pattern)
    for pattern in (
        r"arn:aws", r"s3://\w", r"sqs\.|queue\.amazonaws", r"/(?:var|tmp|opt|usr|home|root|etc)/", r"site-packages",
        r"Traceback|File \\?\"", r"\.py\b", r"0x[0-9a-f]{6,}", r"botocore|boto3|msgspec|orjson|numpy",
        r"PIL\b|tflite|XNNPACK",
        r"\b(?:Type|Value|Key|Index|Attribute|Runtime|Overflow|Recursion|Memory|UnicodeDecode|OS)Error\b",
        *map(re.escape, INTERNAL.values()), r"internal-[a-z]+", re.escape(KEY), CANARY,
    )
]  # fmt: skip


def every_error(root: type[LambentError] = LambentError) -> dict[str, type[LambentError]]:
    """Return all errors of the tree by code."""
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(every_error(child))
    return found


STATUS_BY_CODE = {code: status_of(error("x")) for code, error in every_error().items()}
STATUS_BY_CODE["rate_limited"] = 429  # the gateway's own


def check_refusal(answer: Answer, codes: Collection[str]) -> None:
    """Assert that an answer is a refusal with one of these codes, of our shape and without a leak."""
    text = answer.body.decode()
    assert 400 <= answer.status < 500, f"{answer.status}: {text[:300]}"
    body = answer.json
    assert body["code"] in codes, text[:600]
    assert body.keys() >= FIELDS, FIELDS - body.keys()
    assert body["status"] == answer.status == STATUS_BY_CODE[body["code"]]
    assert answer.headers["content-type"] == "application/json"
    assert body["type"] == f"urn:lambent:error:{body['code']}"
    assert body["error"] == body["detail"]
    assert 10 < len(body["detail"]) <= MAX_DETAIL_CHARACTERS, body["detail"]
    assert body["detail"].rstrip()[-1] in ".?)", body["detail"]
    assert len(answer.body) <= MAX_REFUSAL_BYTES
    assert body["request_id"]
    # A grant to upload names the bucket's address: that is what it is for.
    check_no_leak(json.dumps({name: value for name, value in body.items() if name != "upload"}))


def check_no_leak(text: str) -> None:
    """Assert that a text holds no path, resource name, traceback, library name or content of a request."""
    for pattern in LEAKS:
        found = pattern.search(text)
        assert found is None, f"leaks {found[0]!r}: …{text[max(0, found.start() - 200) : found.end() + 200]}…"
