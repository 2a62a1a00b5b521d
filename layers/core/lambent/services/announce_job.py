"""Who is told that a job has ended: the operators' topic and event bus, and the webhook that its request names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from lambent.contracts.notifications import NotifyMessage
from lambent.domain.job import Job
from lambent.domain.notification import Notice, is_told, job_event, notification_of
from lambent.errors import LambentError
from lambent.ports import JobStore, Notifier, Queue


class JobAnnouncer:
    """Tells of ended jobs; telling one again repeats the same events."""

    def __init__(self, *, jobs: JobStore, topic: Notifier, bus: Notifier, webhooks: Queue) -> None:
        self._jobs = jobs
        self._topic = topic
        self._bus = bus
        self._webhooks = webhooks

    def announce(self, job: Job) -> None:
        """Tell all that the request asks for; one who cannot be told does not keep the others from it.

        Raises
        ------
        LambentError   of the first that could not be told; announcing again tells those who were not told before
        """
        told: set[str] = set()
        failures: list[LambentError] = []
        for name, tell in self._ways(job):
            try:
                tell()
            except LambentError as error:
                failures.append(error)
            else:
                told.add(name)
        if failures:
            # Or else one way that is broken for good would repeat the others for as long as the record lives.
            if told:
                self._jobs.note_told(job.tenant, job.job_id, frozenset(told))
            raise failures[0]

    def _ways(self, job: Job) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield each way that is still to be gone: its name, and how to go it."""
        if not is_told(job):
            return
        asked, notice = notification_of(job), Notice(job.tenant, job_event(job))
        message = msgspec.json.encode(NotifyMessage(tenant=job.tenant, job_id=job.job_id))
        send = partial(self._webhooks.send, message, group=job.tenant)
        # After the first attempt a message of the webhook is in its queue, or is no longer needed.
        ways = {
            "webhook": (asked.webhook is not None and job.webhook is None, send),
            "sns": (asked.sns, partial(self._topic.announce, notice)),
            "eventbridge": (asked.eventbridge, partial(self._bus.announce, notice)),
        }
        for name, (is_asked, tell) in ways.items():
            if is_asked and name not in job.told:
                yield name, tell
