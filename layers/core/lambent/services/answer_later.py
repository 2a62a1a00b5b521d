"""``Prefer: respond-async`` (RFC 7240): a call is stored now and answered from the queue."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from lambent.contracts.calls import StoredCall
from lambent.domain.call import Call
from lambent.domain.idempotency import check_same_request, job_id_of
from lambent.domain.job import Job, JobKind, expiry_of
from lambent.domain.job_states import JobState
from lambent.domain.model import Target, digest
from lambent.domain.names import call_body_file, job_key
from lambent.errors import InProgress
from lambent.ports import Clock, JobStore, ObjectStore, Queue
from lambent.services.load_model import ModelResolver
from lambent.services.send_job import send_call
from lambent.services.version_files import VersionFiles

_ANY_BYTES = "application/octet-stream"
# A stored answer may be fetched by another client than the one that asked, so it is stored as it is.
_OF_THE_CONNECTION = frozenset({"accept-encoding"})


class AnswerLaterService:
    """Accepts calls of all protocols; InferFunction answers them by the same services."""

    def __init__(
        self,
        *,
        data: ObjectStore,
        jobs: JobStore,
        queue: Queue,
        resolver: ModelResolver,
        files: VersionFiles,
        clock: Clock,
        retention_days: int,
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._queue = queue
        self._resolver = resolver
        self._files = files
        self._clock = clock
        self._retention_days = retention_days

    def accept(self, tenant: str, call: Call, *, idempotency_key: str | None) -> Job:
        """Store a call, record its job and enqueue it; the version is the one that the choice names now.

        In this order, so that a crash anywhere leaves nothing that was accepted undone: a body without a record was
        never accepted, and the sweep finds a record that was not enqueued.

        Returns
        -------
        Job   as it was accepted; for a key that came before with the same request, the job of that time

        Raises
        ------
        NameInvalid, ModelNotFound   no such model, version or label
        IdempotencyMismatch          the key belongs to an earlier, different request
        InProgress                   the key's job was removed in this moment
        Unavailable
        """
        known = self._known_or_new(tenant, call, idempotency_key, state=JobState.QUEUED, target=None)
        if known.state is JobState.QUEUED:
            send_call(self._queue, known)
        return known.as_accepted()

    def accept_running(
        self, tenant: str, call: Call, *, target: Target | None, idempotency_key: str | None, again_in_s: int
    ) -> Job:
        """Store a call that is being answered already and takes long; `KeepAnswerService` ends it.

        Its message comes all the same, once whoever answers must have ended: a job that has its outcome then is left
        alone, and one whose process has died is answered by InferFunction.

        Parameters
        ----------
        target       the version that answers, None if it was not even found yet
        again_in_s   seconds after which the work has ended, one way or another

        Returns, raises
        ---------------
        as `accept`
        """
        known = self._known_or_new(tenant, call, idempotency_key, state=JobState.RUNNING, target=target)
        if not known.state.is_terminal:
            send_call(self._queue, known, delay_s=again_in_s)
        return known.as_accepted()

    def _known_or_new(
        self, tenant: str, call: Call, idempotency_key: str | None, *, state: JobState, target: Target | None
    ) -> Job:
        request_sha256 = _request_sha256(call)
        job_id = f"call-{uuid4().hex}" if idempotency_key is None else job_id_of(call.operation, idempotency_key)
        known = self._jobs.get(tenant, job_id) if idempotency_key is not None else None
        if known is None:
            target = target or self._resolver.target(call.choice, call.routing_key)
            known = self._record(tenant, job_id, call, target, state)
        check_same_request(known, request_sha256)
        return known

    def _record(self, tenant: str, job_id: str, call: Call, target: Target, state: JobState) -> Job:
        """Return the new job, or the one of a racer that was first."""
        ref, request_sha256 = target.ref, _request_sha256(call)
        self._files.record(ref)
        stored = StoredCall(
            operation=call.operation.value,
            model=ref.name,
            version=ref.version,
            # Named by its request: racers with one key and two bodies do not overwrite each other's.
            body_key=job_key(tenant, job_id, call_body_file(request_sha256)),
            headers={name: value for name, value in call.headers.items() if name not in _OF_THE_CONNECTION},
            query=dict(call.query),
            is_canary=target.is_canary,
        )
        self._data.write(stored.body_key, call.body, content_type=_ANY_BYTES)
        job = self._new_job(tenant, job_id, stored, request_sha256, state)
        if self._jobs.create(job):
            return job
        known = self._jobs.get(tenant, job_id)
        if known is None:
            raise InProgress("The job of this Idempotency-Key is just being removed; try again.")
        return known

    def _new_job(self, tenant: str, job_id: str, stored: StoredCall, request_sha256: str, state: JobState) -> Job:
        now = self._clock.now()
        return Job(
            tenant=tenant,
            job_id=job_id,
            kind=JobKind.CALL,
            state=state,
            model=stored.model,
            version=stored.version,
            lane="cpu",
            total=1,
            request=msgspec.json.encode(stored).decode(),
            request_sha256=request_sha256,
            created_at=now,
            updated_at=now,
            expires_at_s=expiry_of(self._clock.epoch_s(), retention_days=self._retention_days),
        )


def _request_sha256(call: Call) -> str:
    """Return what makes two requests the same: all that was sent, and not where a label points meanwhile."""
    asked = [call.operation, call.choice.name, call.choice.version, call.choice.label, call.headers, call.query]
    return digest(msgspec.json.encode([*asked, digest(call.body)], order="sorted"))
