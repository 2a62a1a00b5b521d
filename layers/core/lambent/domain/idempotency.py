"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): the same request twice is one job.

A key names a job: the job's id is made from the key and its route, and recorded on the condition that it is new. So
the first of any number of racers decides, nothing needs to be locked, and nothing is left over by one that dies.
"""

from __future__ import annotations

import re

from lambent.domain.job import Job
from lambent.domain.model import digest
from lambent.errors import IdempotencyMismatch, RequestInvalid

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_RULE = "1 to 255 visible ASCII characters"
_ID_DIGITS = 40


def check_key(key: str) -> str:
    """Return a key of 1 to 255 visible ASCII characters; raises RequestInvalid for any other."""
    if _KEY.fullmatch(key) is None:
        raise RequestInvalid(f"An {HEADER} is {_RULE}.", field=HEADER, limit=_RULE)
    return key


def job_id_of(route: str, key: str) -> str:
    """Return the id of the job that a key names on a route; the tenant is part of every job's address already."""
    return f"key-{digest(f'{route} {check_key(key)}'.encode())[:_ID_DIGITS]}"


def check_same_request(known: Job, request_sha256: str) -> None:
    """Raise IdempotencyMismatch unless the key's job was made by the same request."""
    if known.request_sha256 != request_sha256:
        raise IdempotencyMismatch(
            f"This {HEADER} came with a different request at {known.created_at}, which is job {known.job_id}. "
            "Repeat that request unchanged, or choose a new key.",
            field=HEADER,
            got={"first_used_at": known.created_at, "job_id": known.job_id},
        )
