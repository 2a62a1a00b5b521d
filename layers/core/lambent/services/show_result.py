"""GET /jobs/{id}/result: the answer of a call that was accepted for later."""

from __future__ import annotations

from dataclasses import dataclass

from lambent.contracts.answers import AnswerReference
from lambent.contracts.calls import CallOutcome, StoredAnswer
from lambent.contracts.decoding import decode_json
from lambent.domain.job import Job, JobKind
from lambent.domain.names import CALL_OUTCOME_FILE, job_key
from lambent.errors import InProgress, ResultNotFound, SourceGone, restore_error
from lambent.ports import JobStore, ObjectStore
from lambent.services.refer_answer import ReferAnswerService
from lambent.services.show_job import find_job


@dataclass(frozen=True)
class ShownAnswer:
    """An answer as the door would have given it; ``body`` is empty where only a ``reference`` fits."""

    stored: StoredAnswer
    body: bytes
    reference: AnswerReference | None


class ShowResultService:
    """Reads answers of one tenant's calls."""

    def __init__(self, *, jobs: JobStore, data: ObjectStore, refer: ReferAnswerService, max_answer_bytes: int) -> None:
        self._jobs = jobs
        self._data = data
        self._refer = refer
        self._max_answer_bytes = max_answer_bytes

    def show(self, tenant: str, job_id: str) -> ShownAnswer:
        """Return a call's answer, or raise the error that it ended with.

        Raises
        ------
        JobNotFound      no such job; another tenant's id answers exactly so
        ResultNotFound   the job is a batch, or its answer has expired
        InProgress       the call waits or runs
        LambentError     the call's own error
        Unavailable
        """
        job = self._ended_call(tenant, job_id)
        if job.error is not None:
            raise restore_error(job.error)
        try:
            return self._read(job)
        except SourceGone as exc:
            raise ResultNotFound("The answer of this call has expired.", field="id") from exc

    def _ended_call(self, tenant: str, job_id: str) -> Job:
        job = find_job(self._jobs, tenant, job_id)
        if job.kind is not JobKind.CALL:
            raise ResultNotFound(
                "A batch has no single answer; its results are the parts that the job's manifest.json names.",
                field="id",
            )
        if not job.state.is_terminal:
            raise InProgress(f"The call is {job.state.value}; ask again.", field="id", got=job.state.value)
        return job

    def _read(self, job: Job) -> ShownAnswer:
        body = self._data.read(job_key(job.tenant, job.job_id, CALL_OUTCOME_FILE)).body
        stored = decode_json(body, CallOutcome, what="outcome").answer
        if stored is None:
            raise ResultNotFound("The call ended without an answer.", field="id")
        if stored.size_bytes <= self._max_answer_bytes:
            return ShownAnswer(stored, self._data.read(stored.body_key).body, None)
        reference = self._refer.refer(
            stored.body_key, size_bytes=stored.size_bytes, content_type=stored.content_type, headers=stored.headers
        )
        return ShownAnswer(stored, b"", reference)
