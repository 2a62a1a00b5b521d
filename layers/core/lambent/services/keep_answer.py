"""The end of a call that its door did not wait for: what was computed after all becomes the outcome of its job."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lambent.contracts.calls import CallOutcome, StoredCall
from lambent.contracts.content_coding import decode_content
from lambent.contracts.decoding import decode_json
from lambent.domain.call import CallAnswer
from lambent.domain.job import Job
from lambent.errors import LambentError
from lambent.ports import ObjectStore, Queue
from lambent.services.call_outcome import store_answer, write_outcome
from lambent.services.send_job import send_call

_CODING = "Content-Encoding"
# Of our own making, so no bomb.
_MOST_BYTES = 1 << 32
# Of an answer to the client that asked; who fetches the stored one may be another.
_OF_THE_CONNECTION = frozenset({_CODING, "Vary"})


class KeepAnswerService:
    """Writes outcomes and sends the job's message: InferFunction, which finds the outcome, ends the job and tells."""

    def __init__(self, *, data: ObjectStore, queue: Queue) -> None:
        self._data = data
        self._queue = queue

    def keep(self, job: Job, answer: CallAnswer) -> None:
        """Make an answer the job's outcome, unless it has one; raises Unavailable."""
        stored = store_answer(self._data, job, _as_it_is(answer))
        self._end(job, CallOutcome(answer=stored, **_pinned(job)))

    def fail(self, job: Job, error: LambentError) -> None:
        """Make an error the job's outcome, unless it has one; raises Unavailable."""
        self._end(job, CallOutcome(error=error.to_dict(), **_pinned(job)))

    def hand_over(self, job: Job) -> None:
        """Let InferFunction answer the call, from its beginning; raises Unavailable."""
        send_call(self._queue, job)

    def _end(self, job: Job, outcome: CallOutcome) -> None:
        write_outcome(self._data, job, outcome)
        send_call(self._queue, job)


def _pinned(job: Job) -> dict[str, Any]:
    stored = decode_json(job.request, StoredCall, what="stored call")
    return {"model": stored.model, "version": stored.version, "is_canary": stored.is_canary}


def _as_it_is(answer: CallAnswer) -> CallAnswer:
    """Return an answer without the compression that its client asked for."""
    coding = answer.headers.get(_CODING)
    if coding is None:
        return answer
    headers = {name: value for name, value in answer.headers.items() if name not in _OF_THE_CONNECTION}
    body = decode_content(answer.body, coding, max_bytes=_MOST_BYTES)
    return replace(answer, body=body, headers=headers)
