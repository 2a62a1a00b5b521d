"""Door 1 to the batch lanes: POST /jobs puts a request on the same queue as everybody else's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import ceil

import msgspec

from lambent.contracts.batch_request import BatchRequest, BatchSubmission
from lambent.domain.idempotency import check_same_request, job_id_of
from lambent.domain.job import Job, expiry_of
from lambent.domain.job_states import JobState
from lambent.domain.model import digest
from lambent.domain.names import check_name, parse_version
from lambent.domain.timestamps import to_timestamp
from lambent.domain.webhook_url import check_notification
from lambent.errors import DeadlineExceeded, InProgress, JobIdReused, RequestInvalid
from lambent.ports import Clock, JobStore, ObjectStore, Queue
from lambent.services.check_batch import SubmissionCheck
from lambent.services.keep_request import keep_request, whole_request
from lambent.services.read_items import check_input
from lambent.services.send_job import send_batch

_ROUTE = "POST /jobs"


def new_job(tenant: str, request: BatchRequest, *, clock: Clock, retention_days: int) -> Job:
    """Return a QUEUED job for a request."""
    body = msgspec.json.encode(request)
    now = clock.now()
    return Job(
        tenant=tenant,
        job_id=request.id,
        state=JobState.QUEUED,
        model=request.model,
        request=body.decode(),
        request_sha256=digest(body),
        created_at=now,
        updated_at=now,
        expires_at_s=expiry_of(clock.epoch_s(), retention_days=retention_days),
        priority=request.priority_or_default,
        deadline_s=None if request.deadline_s is None else ceil(request.deadline_s),
        parent=request.input.failed_of,
    )


def check_deadline(deadline_s: float | None, *, now_s: float) -> None:
    """Refuse a deadline that has passed; raises DeadlineExceeded."""
    if deadline_s is not None and deadline_s <= now_s:
        raise DeadlineExceeded(
            "The deadline has passed; choose one that lies ahead, or leave it out.",
            field="deadline",
            limit=f"after {to_timestamp(now_s)}",
            got=to_timestamp(deadline_s),
        )


def check_submission(
    data: ObjectStore,
    submission: BatchSubmission | BatchRequest,
    *,
    tenant: str,
    now_s: float,
    trusted_hosts: Collection[str],
) -> None:
    """Refuse what can be seen to be wrong before anything is read; raises as `SubmitService.submit`."""
    _check_names(submission)
    check_input(data, submission.input, tenant=tenant)
    check_deadline(submission.deadline_s, now_s=now_s)
    check_notification(submission.notification, trusted_hosts=trusted_hosts)


class SubmitService:
    """Accepts batch requests over HTTP; ``check`` looks at the model, which else the dispatcher does."""

    def __init__(
        self,
        *,
        data: ObjectStore,
        jobs: JobStore,
        queue: Queue,
        clock: Clock,
        retention_days: int,
        trusted_hosts: Collection[str] = frozenset(),
        check: SubmissionCheck | None = None,
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._queue = queue
        self._clock = clock
        self._retention_days = retention_days
        self._trusted_hosts = trusted_hosts
        self._check = check

    def submit(
        self, tenant: str, submission: BatchSubmission | BatchRequest, *, idempotency_key: str | None = None
    ) -> Job:
        """Record and enqueue a job; the same request again returns the same job.

        The record comes first: if the enqueueing is lost, the sweep finds the record and repeats it.

        Returns
        -------
        Job   as it was accepted, also for a request that came before

        Raises
        ------
        MediaTypeUnsupported, OutputNotJson, ManifestInvalid   the model can answer no item, see `SubmissionCheck`
        NameInvalid           the model's name or the label is not allowed
        ModelNotFound         the version is no number
        RequestInvalid        no id and no key, or a key that is not visible ASCII
        UrlRefused            the manifest lies where the tenant may not read, or no webhook goes to the address
        JobIdReused           the id belongs to a different request
        IdempotencyMismatch   the key belongs to a different request
        InProgress            the job of the id or key was removed in this moment
        Unavailable
        """
        check_submission(
            self._data, submission, tenant=tenant, now_s=self._clock.epoch_s(), trusted_hosts=self._trusted_hosts
        )
        if self._check is not None:
            self._check.check(submission)
        request = _named(submission, idempotency_key)
        job = new_job(tenant, request, clock=self._clock, retention_days=self._retention_days)
        if idempotency_key is not None:
            self._claim(job, idempotency_key)
        job = keep_request(self._data, job, request)
        if not self._jobs.create(job):
            job = self._known(job, is_keyed=idempotency_key is not None)
        if job.state is JobState.QUEUED:
            send_batch(self._queue, job, self._data)
        return replace(job.as_accepted(), priority=submission.priority_or_default)

    def whole_request(self, job: Job) -> str:
        """Return the request of a job as it was accepted; raises SourceGone, Unavailable."""
        return whole_request(self._data, job)

    def _claim(self, job: Job, key: str) -> None:
        """Tie the key to the job's id; a key that names another job came with another request."""
        name = job_id_of(_ROUTE, key)
        if job.job_id != name and self._jobs.claimed(job.tenant, name) is None:
            # Refused before the key is tied: it would name another request's job for as long as its record lives.
            self._check_id_is_free(job)
        holder = self._jobs.claim(job.tenant, name, job.job_id, expires_at_s=job.expires_at_s)
        if holder != job.job_id:
            check_same_request(self._get(job.tenant, holder), job.request_sha256)

    def _check_id_is_free(self, job: Job) -> None:
        known = self._jobs.get(job.tenant, job.job_id)
        if known is not None and known.request_sha256 != job.request_sha256:
            raise _id_reused()

    def _known(self, job: Job, *, is_keyed: bool) -> Job:
        known = self._get(job.tenant, job.job_id)
        if is_keyed:
            check_same_request(known, job.request_sha256)
        elif known.request_sha256 != job.request_sha256:
            raise _id_reused()
        return known

    def _get(self, tenant: str, job_id: str) -> Job:
        known = self._jobs.get(tenant, job_id)
        if known is None:
            # Claimed by a racer that has not recorded its job yet, or expired between two reads.
            raise InProgress("The first request with this id or key is not recorded yet; try again.")
        return known


def _id_reused() -> JobIdReused:
    return JobIdReused("This job id was used for a different request; choose a new id.", field="id")


def _check_names(submission: BatchSubmission | BatchRequest) -> None:
    check_name(submission.model, what="model")
    if submission.label is not None:
        check_name(submission.label, what="label")
    if submission.version is not None:
        parse_version(submission.version)


def _named(submission: BatchSubmission | BatchRequest, key: str | None) -> BatchRequest:
    """Return the request under its id, which the key makes up if the body has none."""
    job_id = submission.id
    if job_id is None:
        if key is None:
            raise RequestInvalid(
                "Name the job, so that sending it again is harmless: by `id`, or by the header Idempotency-Key.",
                field="id",
            )
        job_id = job_id_of(_ROUTE, key)
    return BatchRequest(**{**msgspec.structs.asdict(submission), "id": job_id})
