"""One attempt to deliver a job's webhook, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec

import lambent
from lambent.contracts.decoding import decode_json
from lambent.contracts.notifications import (
    WEBHOOK_DELIVERED,
    WEBHOOK_GIVEN_UP,
    WEBHOOK_RETRYING,
    JobEvent,
    NotifyMessage,
)
from lambent.domain.job import Job, WebhookOutcome
from lambent.domain.notification import job_event, notification_of
from lambent.domain.timestamps import from_timestamp
from lambent.domain.webhook_schedule import pause_s
from lambent.domain.webhook_signing import signed_headers
from lambent.domain.webhook_url import read_webhook_url
from lambent.errors import EnvelopeInvalid, LambentError, UrlRefused
from lambent.ports import Clock, JobStore, WebhookAnswer, WebhookSender
from lambent.services.webhook_secret import WebhookSecretService

_SUCCESS = range(200, 300)
_REDIRECTS = range(300, 400)
_GONE = 410


@dataclass(frozen=True)
class Delivery:
    """How a webhook stands after an attempt; ``pause_s`` until the next one, None if there is none."""

    tenant: str
    job_id: str
    outcome: WebhookOutcome
    pause_s: int | None = None


class DeliverWebhookService:
    """Delivers webhooks at least once each, for a day.

    Parameters
    ----------
    trusted_hosts    see `domain.webhook_url.read_webhook_url`
    jitter           returns a number in [0, 1), another one each time
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        secrets: WebhookSecretService,
        sender: WebhookSender,
        clock: Clock,
        trusted_hosts: Collection[str],
        jitter: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._secrets = secrets
        self._sender = sender
        self._clock = clock
        self._trusted_hosts = trusted_hosts
        self._jitter = jitter

    def deliver(self, body: str, *, attempt: int) -> Delivery | None:
        """Make one attempt and record it.

        Parameters
        ----------
        body       JSON of a NotifyMessage
        attempt    which one this is, from 1

        Returns
        -------
        None if there is nothing to deliver: it was delivered before, or nobody asks for it

        Raises
        ------
        EnvelopeInvalid   the message belongs to no ended job
        Unavailable       the message must be delivered again; the receiver may get the same event twice then
        """
        job = self._job(body)
        asked = notification_of(job).webhook
        if asked is None or (job.webhook is not None and job.webhook.state == WEBHOOK_DELIVERED):
            return None
        event = job_event(job)
        try:
            answer = self._send(job, event, asked.url)
        except UrlRefused as error:
            # Not by the doors, which ask the same; by a stack whose list of trusted hosts was longer before.
            return self._record(job, WebhookAnswer(None, error.detail), pause=None)
        pause = None if _is_over(answer) else self._pause(event, attempt)
        return self._record(job, answer, pause=pause)

    def give_up(self, body: str, error: LambentError) -> None:
        """Record that a webhook whose message is not delivered again was not delivered; raises EnvelopeInvalid."""
        job = self._job(body)
        if not _is_asked_for(job):
            return
        attempts = job.webhook.attempts if job.webhook else 0
        given_up = WebhookOutcome(WEBHOOK_GIVEN_UP, attempts, None, error.detail, self._clock.now())
        self._jobs.record_webhook(job.tenant, job.job_id, given_up)

    def _job(self, body: str) -> Job:
        try:
            message = decode_json(body, NotifyMessage, what="notification message")
        except LambentError as exc:
            raise EnvelopeInvalid(f"The message is not a notification. {exc.detail}", field=exc.field) from exc
        job = self._jobs.get(message.tenant, message.job_id)
        if job is None or not job.state.is_terminal:
            raise EnvelopeInvalid("The message names no job that has ended.", field="job_id")
        return job

    def _send(self, job: Job, event: JobEvent, url: str) -> WebhookAnswer:
        address = read_webhook_url(url, trusted_hosts=self._trusted_hosts)
        body, now_s = msgspec.json.encode(event), self._clock.epoch_s()
        secrets = self._secrets.secret(job.tenant).valid_at(now_s)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Lambent/{lambent.__version__}",
            **signed_headers(event.id, body, secrets=secrets, now_s=now_s),
        }
        return self._sender.post(address, body, headers)

    def _pause(self, event: JobEvent, attempt: int) -> int | None:
        age_s = self._clock.epoch_s() - from_timestamp(event.timestamp)
        return pause_s(attempt, age_s=age_s, jitter=self._jitter())

    def _record(self, job: Job, answer: WebhookAnswer, *, pause: int | None) -> Delivery:
        outcome = WebhookOutcome(
            state=_state(answer, pause),
            attempts=(job.webhook.attempts if job.webhook else 0) + 1,
            last_status=answer.status,
            last_error=_reason(answer),
            at=self._clock.now(),
        )
        self._jobs.record_webhook(job.tenant, job.job_id, outcome)
        return Delivery(job.tenant, job.job_id, outcome, pause)


def _is_asked_for(job: Job) -> bool:
    is_delivered = job.webhook is not None and job.webhook.state == WEBHOOK_DELIVERED
    return notification_of(job).webhook is not None and not is_delivered


def _is_over(answer: WebhookAnswer) -> bool:
    return answer.status in _SUCCESS or answer.status == _GONE


def _state(answer: WebhookAnswer, pause: int | None) -> str:
    if answer.status in _SUCCESS:
        return WEBHOOK_DELIVERED
    return WEBHOOK_GIVEN_UP if pause is None else WEBHOOK_RETRYING


def _reason(answer: WebhookAnswer) -> str | None:
    if answer.status is None or answer.status in _SUCCESS:
        return answer.error
    if answer.status in _REDIRECTS:
        return "The receiver redirects, which is not followed."
    if answer.status == _GONE:
        return "The receiver says that this address is gone."
    return "The receiver did not take it."
