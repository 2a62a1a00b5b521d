"""GET /jobs: a tenant's jobs, the newest first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from lambent.contracts.batch_request import is_job_id
from lambent.contracts.job_views import JobEntry, JobPage
from lambent.contracts.paging import cursor_refused, make_cursor, read_cursor, read_limit
from lambent.domain.job import JobKind
from lambent.domain.job_list import JobFilter, JobPlace, JobSummary
from lambent.domain.job_states import JobState
from lambent.domain.names import check_name
from lambent.domain.timestamps import to_timestamp
from lambent.errors import RequestInvalid
from lambent.ports import JobCatalogue

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d:\d\d)\Z")
E = TypeVar("E", bound=StrEnum)


class ListJobsService:
    """Lists the jobs of one tenant at a time."""

    def __init__(self, catalogue: JobCatalogue) -> None:
        self._catalogue = catalogue

    def page(self, tenant: str, query: Mapping[str, str]) -> JobPage:
        """Return a page of a tenant's jobs.

        Parameters
        ----------
        query   as sent: state, kind, model, created_after (RFC 3339), limit, cursor

        Raises
        ------
        RequestInvalid   a state, kind or time that cannot be
        NameInvalid      the model's name is not allowed
        CursorInvalid    a limit out of its range, or a cursor that this list did not give
        Unavailable
        """
        wanted = _filter(query)
        scope = f"{tenant}/jobs/{wanted.state}/{wanted.kind}/{wanted.model}/{wanted.created_after}"
        limit = read_limit(query.get("limit"))
        cursor = query.get("cursor")
        after = _place(read_cursor(cursor, scope)) if cursor is not None else None
        found = self._catalogue.jobs(tenant, wanted, limit=limit, after=after)
        next_cursor = make_cursor(f"{found.rest.created_at} {found.rest.job_id}", scope) if found.rest else None
        return JobPage(jobs=[_entry(job) for job in found.jobs], next_cursor=next_cursor)


def _filter(query: Mapping[str, str]) -> JobFilter:
    model = query.get("model")
    created_after = query.get("created_after")
    return JobFilter(
        state=_member(JobState, query.get("state"), "state"),
        kind=_member(JobKind, query.get("kind"), "kind"),
        model=check_name(model, what="model") if model is not None else None,
        created_after=_time(created_after) if created_after is not None else None,
    )


def _member(kind: type[E], text: str | None, field: str) -> E | None:
    if text is None:
        return None
    names = [member.value for member in kind]
    if text not in names:
        raise RequestInvalid(f"{field} is one of {', '.join(names)}.", field=field, limit=names, got=text[:64])
    return kind(text)


def _time(text: str) -> str:
    refusal = RequestInvalid(
        "created_after is a time with its zone, such as 2026-11-27T08:00:00Z (RFC 3339).",
        field="created_after",
        got=text[:64],
    )
    if not _ZONE.search(text):
        raise refusal
    try:
        return to_timestamp(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError) as exc:
        raise refusal from exc


def _place(text: str) -> JobPlace:
    created_at, _, job_id = text.partition(" ")
    # Whoever makes a cursor by himself gets no further than to another place of his own list, but the table would
    # refuse an impossible key as a fault of the service.
    if not (_TIMESTAMP.fullmatch(created_at) and is_job_id(job_id)):
        raise cursor_refused()
    return JobPlace(created_at, job_id)


def _entry(job: JobSummary) -> JobEntry:
    return JobEntry(
        id=job.job_id,
        kind=job.kind.value,
        state=job.state.value,
        model=job.model,
        version=str(job.version) if job.version is not None else None,
        lane=job.lane,
        total=job.total,
        done=job.done,
        failed=job.failed,
        created_at=job.created_at,
        updated_at=job.updated_at,
    )
