"""The one outcome of a stored call, whoever has come to it: outcome.json, and the answer's bytes beside it."""

from __future__ import annotations

import msgspec

from lambent.contracts.calls import CallOutcome, StoredAnswer
from lambent.domain.call import CallAnswer
from lambent.domain.job import Job
from lambent.domain.model import digest
from lambent.domain.names import CALL_OUTCOME_FILE, call_answer_file, job_key
from lambent.ports import ObjectStore

_JSON = "application/json"


def store_answer(data: ObjectStore, job: Job, answer: CallAnswer) -> StoredAnswer:
    """Write an answer's body and return what an outcome says of it; raises Unavailable.

    Named by its bytes: two deliveries may answer with other ids, and the outcome names the one that counts.
    """
    key = job_key(job.tenant, job.job_id, call_answer_file(digest(answer.body)))
    data.write(key, answer.body, content_type=answer.content_type)
    return StoredAnswer(
        body_key=key,
        content_type=answer.content_type,
        size_bytes=len(answer.body),
        model=str(answer.model),
        headers=dict(answer.headers),
    )


def write_outcome(data: ObjectStore, job: Job, outcome: CallOutcome) -> bool:
    """Write a call's outcome unless it has one; return whether this is it now. Raises Unavailable."""
    key = job_key(job.tenant, job.job_id, CALL_OUTCOME_FILE)
    return data.write_once(key, msgspec.json.encode(outcome), content_type=_JSON)
