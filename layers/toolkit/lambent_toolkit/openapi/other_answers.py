"""What a prediction may answer besides the prediction: accepted for later, or stored for being too large."""

from __future__ import annotations

from typing import Any

from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.parameters import CALL_ID, headers, json_content
from lambent_toolkit.openapi.schema_parts import ref

CALL_JOB = {
    "id": CALL_ID,
    "kind": "call",
    "state": "QUEUED",
    "model": samples.MODEL,
    "version": "1",
    "lane": "cpu",
    "output": None,
    "priority": 5,
    "deadline": None,
    "parent": None,
    "total": 1,
    "done": 0,
    "failed": 0,
    "rate": None,
    "eta_s": None,
    "estimated_end": None,
    "waiting": None,
    "shard_counts": None,
    "shards": [],
    "created_at": "2026-11-23T21:00:00Z",
    "updated_at": "2026-11-23T21:00:00Z",
    "why": None,
    "error": None,
    "result": None,
}
BATCH_JOB = {
    **CALL_JOB,
    "id": "docs-1",
    "kind": "batch",
    "version": None,
    "lane": None,
    "total": None,
    "output": {"format": "jsonl", "compression": "none", "order": "item"},
}
_REFERENCE = {
    "code": "answer_stored",
    "url": "https://data-bucket.s3.amazonaws.com/answers/default/…?X-Amz-Signature=…",
    "size_bytes": 7_340_032,
    "content_type": "application/octet-stream",
    "expires_s": 900,
    "headers": {"Lambent-Model": f"{samples.MODEL}@1", "Inference-Header-Content-Length": "142"},
}
ACCEPTED: dict[str, Any] = {
    "description": (
        "Accepted, as `Prefer: respond-async` asks, or because it takes more than 26 seconds; the answer will be under "
        "`/jobs/{id}/result`."
    ),
    "headers": headers("Location", "Retry-After", "Preference-Applied", "Lambent-Model", "Lambent-Canary"),
    "content": json_content(ref("JobView"), call=CALL_JOB),
}
STORED: dict[str, Any] = {
    "description": "The answer is too large for the door and lies at `Location` for a while; a GET of it needs no key.",
    "headers": headers("Location", "Lambent-Model", "Lambent-Canary"),
    "content": json_content(ref("AnswerReference"), stored=_REFERENCE),
}
OTHER_ANSWERS = {202: ACCEPTED, 303: STORED}
