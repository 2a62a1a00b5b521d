"""What becomes of one dead letter: its owner finds a failure with the reason, unless there is an outcome already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambent.contracts.batch_request import BatchRequest
from lambent.contracts.notifications import WEBHOOK_DELIVERED, WEBHOOK_GIVEN_UP
from lambent.domain.dead_letters import Became, DeadLetter, DeathRecord
from lambent.domain.job import Job, WebhookOutcome, expiry_of
from lambent.domain.job_states import JobState
from lambent.domain.lost_work import (
    Lost,
    LostCall,
    LostEvent,
    LostRequest,
    LostShard,
    LostUpload,
    LostWebhook,
    read_lost,
)
from lambent.domain.model import digest
from lambent.errors import LambentError
from lambent.ports import Clock, JobStore, ObjectStore
from lambent.services.fail_call import CallFailer
from lambent.services.fail_shard import ShardFailer
from lambent.services.fail_upload import UploadFailer
from lambent.services.finish_job import JobFinisher
from lambent.services.keep_request import keep_request
from lambent.services.submit_job import new_job
from lambent.services.track import BatchStateChange, TrackService

# The model of a request that cannot be read.
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Failers:
    """Who writes failures, by what the dead letter was about."""

    uploads: UploadFailer
    calls: CallFailer
    shards: ShardFailer
    finisher: JobFinisher
    track: TrackService


class DeadLetterRecorder:
    """Records dead letters of all tenants; recording one again changes nothing.

    Parameters
    ----------
    bucket   name of the data bucket, which is ``data``
    """

    def __init__(
        self,
        *,
        data: ObjectStore,
        jobs: JobStore,
        failers: Failers,
        clock: Clock,
        bucket: str,
        retention_days: int,
    ) -> None:
        self._data = data
        self._jobs = jobs
        self._failers = failers
        self._clock = clock
        self._bucket = bucket
        self._retention_days = retention_days

    def record(self, letter: DeadLetter) -> DeathRecord:
        """Leave a failure for its owner, unless an outcome is there; return what was found.

        Raises
        ------
        Unavailable   and any other retryable error; nothing or a part was recorded, record it again
        """
        error = letter.error
        try:
            lost = read_lost(letter.queue, letter.body, letter.attributes, bucket=self._bucket)
            became = [self._record(each, letter, error) for each in lost]
        except LambentError as refusal:
            if not refusal.is_final:
                raise
            # Nobody's message, or one whose job's files are gone: there is nowhere to record it.
            return self._told(letter, Became.NOBODYS, error if letter.reason_code else refusal, ())
        worst = min(became, key=list(Became).index, default=Became.NOBODYS)
        return self._told(letter, worst, error, lost)

    def _told(self, letter: DeadLetter, became: Became, error: LambentError, lost: tuple[Lost, ...]) -> DeathRecord:
        return DeathRecord(
            queue=letter.queue,
            message_id=letter.message_id,
            became=became,
            code=error.code,
            detail=error.detail,
            tenant=next((each.tenant for each in lost), letter.attributes.get("tenant")),
            subject=", ".join(each.subject for each in lost) or None,
            at=self._clock.now(),
        )

    def _record(self, lost: Lost, letter: DeadLetter, error: LambentError) -> Became:
        if isinstance(lost, LostUpload):
            return self._failers.uploads.fail(lost, error)
        if isinstance(lost, LostRequest):
            return self._request(lost, letter, error)
        job = self._jobs.get(lost.tenant, lost.job_id)
        if job is None:
            return Became.NOBODYS
        if isinstance(lost, LostWebhook):
            return self._webhook(job, error)
        if job.state.is_terminal:
            return Became.SETTLED
        ends: dict[type[Lost], Callable[[], Became]] = {
            LostCall: lambda: self._failers.calls.fail(job, error),
            LostShard: lambda: self._failers.shards.fail(lost, error),  # type: ignore[arg-type]
            LostEvent: lambda: self._event(lost),  # type: ignore[arg-type]
        }
        return ends[type(lost)]()

    def _request(self, lost: LostRequest, letter: DeadLetter, error: LambentError) -> Became:
        """Fail the job that the request is, recorded here if nobody has; a job under way ends by itself."""
        asked = self._asked(lost, letter)
        self._jobs.create(asked)
        job = self._jobs.get(asked.tenant, asked.job_id) or asked
        if job.request_sha256 != asked.request_sha256:
            # The id is another request's, whose job this must not touch.
            asked = self._unnamed(lost.tenant, letter, asked.model)
            self._jobs.create(asked)
            job = self._jobs.get(asked.tenant, asked.job_id) or asked
        if job.state.is_terminal:
            return Became.SETTLED
        if job.state is not JobState.QUEUED:
            return Became.GOES_ON
        self._failers.finisher.fail(job, error)
        return Became.FAILED

    def _asked(self, lost: LostRequest, letter: DeadLetter) -> Job:
        request: BatchRequest | None = lost.request
        if request is None:
            return self._unnamed(lost.tenant, letter, _UNKNOWN)
        job = new_job(lost.tenant, request, clock=self._clock, retention_days=self._retention_days)
        return keep_request(self._data, job, request, body=letter.body)

    def _unnamed(self, tenant: str, letter: DeadLetter, model: str) -> Job:
        """Return a job, named by its message, for a request that has no id of its own."""
        now = self._clock.now()
        return Job(
            tenant=tenant,
            job_id=f"dead-{letter.message_id}",
            state=JobState.QUEUED,
            model=model,
            request="{}",
            request_sha256=digest(letter.body.encode(errors="replace")),
            created_at=now,
            updated_at=now,
            expires_at_s=expiry_of(self._clock.epoch_s(), retention_days=self._retention_days),
        )

    def _webhook(self, job: Job, error: LambentError) -> Became:
        if not job.state.is_terminal:
            return Became.NOBODYS
        if job.webhook is not None and job.webhook.state in (WEBHOOK_DELIVERED, WEBHOOK_GIVEN_UP):
            return Became.SETTLED
        outcome = WebhookOutcome(
            state=WEBHOOK_GIVEN_UP,
            attempts=job.webhook.attempts if job.webhook is not None else 0,
            last_status=job.webhook.last_status if job.webhook is not None else None,
            last_error=error.detail,
            at=self._clock.now(),
        )
        self._jobs.record_webhook(job.tenant, job.job_id, outcome)
        return Became.FAILED

    def _event(self, lost: LostEvent) -> Became:
        """Apply an event that its function failed on: it may come late, and twice."""
        change = BatchStateChange(
            tenant=lost.tenant,
            job_id=lost.job_id,
            batch_job_id=lost.change.job_id,
            status=lost.change.status,
            is_child="index" in (lost.change.array_properties or {}),
        )
        self._failers.track.apply(change)
        job = self._jobs.head(lost.tenant, lost.job_id)
        return Became.SETTLED if job is None or job.state.is_terminal else Became.GOES_ON
