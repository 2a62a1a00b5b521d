"""Who is told that a job has ended: the operators' topic and event bus, and the webhook that its request names."""

from __future__ import annotations

import msgspec

from lambent.contracts.notifications import NotifyMessage
from lambent.domain.job import Job
from lambent.domain.notification import Notice, is_told, job_event, notification_of
from lambent.errors import LambentError
from lambent.ports import Notifier, Queue


class JobAnnouncer:
    """Tells of ended jobs; telling one again repeats the same events."""

    def __init__(self, *, topic: Notifier, bus: Notifier, webhooks: Queue) -> None:
        self._topic = topic
        self._bus = bus
        self._webhooks = webhooks

    def announce(self, job: Job) -> None:
        """Tell all that the request asks for; one who cannot be told does not keep the others from it.

        Raises
        ------
        LambentError   of the first that could not be told; announcing again tells them all again
        """
        if not is_told(job):
            return
        asked, notice = notification_of(job), Notice(job.tenant, job_event(job))
        failures: list[LambentError] = []
        if asked.webhook is not None:
            message = NotifyMessage(tenant=job.tenant, job_id=job.job_id)
            try:
                self._webhooks.send(msgspec.json.encode(message))
            except LambentError as error:
                failures.append(error)
        for notifier, is_asked in ((self._topic, asked.sns), (self._bus, asked.eventbridge)):
            try:
                if is_asked:
                    notifier.announce(notice)
            except LambentError as error:
                failures.append(error)
        if failures:
            raise failures[0]
