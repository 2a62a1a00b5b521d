"""The event that tells of a job's end, the same however often it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from lambent.contracts.notifications import JobEnded, JobEvent, JobNotification
from lambent.domain.job import Job, JobKind
from lambent.domain.model import digest

# Who is told of a job whose request asks for nothing else.
DEFAULT = JobNotification()


@dataclass(frozen=True)
class Notice:
    """An event and whose it is, for the operators' channels."""

    tenant: str
    event: JobEvent

    @property
    def subject(self) -> str:
        """A line of at most 100 characters, which SNS puts into e-mails."""
        return f"Lambent job {self.event.data.job_id}: {self.event.data.state}"

    def to_dict(self) -> dict[str, Any]:
        """Return the event with its tenant, as JSON values."""
        return {**msgspec.to_builtins(self.event), "tenant": self.tenant}


def job_event(job: Job) -> JobEvent:
    """Return the event of a job that has ended.

    Its id follows from the job and its state, so that whoever tells it again, tells the same event. The time of the
    job's acceptance goes into it, too, since a job's id may be used again once its record has expired.
    """
    name = f"{job.tenant}/{job.job_id}/{job.created_at}/{job.state}"
    is_call = job.kind is JobKind.CALL
    fields: Any = {"type": f"lambent.job.{job.state.lower()}", "state": job.state.value}
    return JobEvent(
        id=f"evt_{digest(name.encode())[:32]}",
        type=fields["type"],
        timestamp=job.updated_at,
        data=JobEnded(
            job_id=job.job_id,
            kind=job.kind.value,
            state=fields["state"],
            model=job.model,
            version=None if job.version is None else str(job.version),
            lane=job.lane,
            total=job.total,
            done=job.done,
            failed=job.failed,
            created_at=job.created_at,
            ended_at=job.updated_at,
            results=f"/jobs/{job.job_id}/{'result' if is_call else 'results'}",
        ),
    )


class _Asked(msgspec.Struct):
    notification: JobNotification | None = None


def notification_of(job: Job) -> JobNotification:
    """Return who is to be told of a job's end; calls say nothing about it."""
    if job.kind is JobKind.CALL:
        return DEFAULT
    return msgspec.json.decode(job.request, type=_Asked).notification or DEFAULT


def is_told(job: Job) -> bool:
    """Return whether the request asks to be told of this outcome."""
    wanted = notification_of(job).on
    return wanted is None or any(job.state == state for state in wanted)
