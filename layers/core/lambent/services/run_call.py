"""The second half of ``Prefer: respond-async``: a stored call becomes its one outcome."""

from __future__ import annotations

from typing import Any

from lambent.contracts.calls import CallOutcome, StoredCall
from lambent.contracts.decoding import decode_json
from lambent.domain.call import Call, Operation
from lambent.domain.job import Job
from lambent.domain.job_states import JobState, states_before
from lambent.domain.model import ModelChoice
from lambent.domain.names import CALL_OUTCOME_FILE, job_key
from lambent.errors import JobNotFound, LambentError, ProcessingGaveUp, SourceGone
from lambent.ports import Clock, JobStore, ObjectStore
from lambent.services.answer_call import CallService
from lambent.services.call_outcome import store_answer, write_outcome
from lambent.services.finish_job import JobFinisher
from lambent.services.predict import Timings

# A message has five receives, of which the last ends the call; but the sweep sends one again whose message seems lost.
MOST_ATTEMPTS = 10


class RunCallService:
    """Answers stored calls by the services that answer at the door."""

    def __init__(
        self, *, data: ObjectStore, jobs: JobStore, calls: CallService, finisher: JobFinisher, clock: Clock
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._calls = calls
        self._finisher = finisher
        self._clock = clock

    def run(self, tenant: str, job_id: str) -> CallOutcome | None:
        """Answer one stored call and end its job; a call that has an outcome is only ended again.

        A call that was begun as often as any may be, by whichever of its messages, is ended as given up.

        Returns
        -------
        the call's outcome, an answer or the permanent error that it met; None for a job that had ended before

        Raises
        ------
        JobNotFound   the message belongs to no job
        Unavailable   and any other retryable error; the message must be delivered again
        """
        job = self._jobs.get(tenant, job_id)
        if job is None:
            raise JobNotFound("The message belongs to no job.", field="job_id")
        if job.state.is_terminal:
            return None
        if job.attempts < MOST_ATTEMPTS:
            self._begin(job)
            outcome = self._existing(job) or self._decide(job)
        else:
            outcome = self._existing(job) or self._keep(job, _failure(job, _begun_in_vain(job.attempts)))
        self._finisher.end_call(job, error=outcome.error)
        return outcome

    def give_up(self, tenant: str, job_id: str, error: LambentError) -> None:
        """End a call whose message is not delivered again: with the outcome that it has, else with the error.

        Raises
        ------
        JobNotFound, Unavailable
        """
        job = self._jobs.get(tenant, job_id)
        if job is None:
            raise JobNotFound("The message belongs to no job.", field="job_id")
        if not job.state.is_terminal:
            self._finisher.end_call(job, error=self._keep(job, _failure(job, error)).error)

    def _begin(self, job: Job) -> None:
        """Note one more attempt, which may be the last that is heard of this process."""
        allowed = [*states_before(JobState.RUNNING), JobState.RUNNING]
        fields = {"attempts": job.attempts + 1}
        self._jobs.transition(job.tenant, job.job_id, JobState.RUNNING, allowed=allowed, at=self._clock.now(), **fields)

    def _decide(self, job: Job) -> CallOutcome:
        """Write the outcome, unless another delivery of the message was first: then that one counts."""
        return self._keep(job, self._answer(job))

    def _keep(self, job: Job, outcome: CallOutcome) -> CallOutcome:
        if write_outcome(self._data, job, outcome):
            return outcome
        return self._existing(job) or outcome

    def _answer(self, job: Job) -> CallOutcome:
        stored = decode_json(job.request, StoredCall, what="stored call")
        pinned: dict[str, Any] = {"model": stored.model, "version": stored.version, "is_canary": stored.is_canary}
        try:
            answer = self._calls.answer(self._call(stored), Timings())
        except LambentError as error:
            if not error.is_final:
                raise
            return CallOutcome(error=error.to_dict(), **pinned)
        return CallOutcome(answer=store_answer(self._data, job, answer), **pinned)

    def _call(self, stored: StoredCall) -> Call:
        return Call(
            Operation(stored.operation),
            ModelChoice(stored.model, version=str(stored.version), is_canary=stored.is_canary),
            self._data.read(stored.body_key).body,
            stored.headers,
            stored.query,
        )

    def _existing(self, job: Job) -> CallOutcome | None:
        try:
            body = self._data.read(job_key(job.tenant, job.job_id, CALL_OUTCOME_FILE)).body
        except SourceGone:
            return None
        return decode_json(body, CallOutcome, what="outcome")


def _failure(job: Job, error: LambentError) -> CallOutcome:
    return CallOutcome(error=error.to_dict(), model=job.model, version=job.version)


def _begun_in_vain(attempts: int) -> ProcessingGaveUp:
    return ProcessingGaveUp(
        f"It was begun {attempts} times, and no attempt came to an end. The same call may succeed later.",
        limit=attempts,
    )
