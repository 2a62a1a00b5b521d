"""Retire a version: no label may point to it any more, and after a while its files may go."""

from __future__ import annotations

from dataclasses import replace

from lambent.contracts.batch_request import BatchRequest
from lambent.contracts.decoding import decode_json
from lambent.domain.job import Job, JobKind
from lambent.domain.model import LabelRecord, ModelRef, VersionRecord
from lambent.domain.names import check_name
from lambent.domain.rollout import retired
from lambent.errors import AliasConflict, VersionInUse
from lambent.ports import Clock, JobStore, Registry
from lambent.services.change import change_of
from lambent.services.not_found import no_such_version

_TRIES = 3
_MOST_TOLD = 5
_ANY_TIME = "9999"


def retire(
    ref: ModelRef, *, registry: Registry, jobs: JobStore, clock: Clock, by: str = "", why: str = ""
) -> VersionRecord:
    """Retire a version that nobody uses. Those who name it by its number get it until its files are removed.

    Raises
    ------
    NameInvalid, RequestInvalid, ModelNotFound, Unavailable
    VersionRetired   it is retired already; the text says by whom
    VersionInUse     a label or an open job uses it; the text says which
    AliasConflict    labels are being moved to it and away all the time
    """
    check_name(ref.name, what="model")
    change = change_of(clock, by=by, why=why)
    for _ in range(_TRIES):
        record = registry.version(ref)
        if record is None:
            raise no_such_version(ref.name, registry)
        if record.retired is not None:
            raise retired(record)
        check_unused(ref, registry=registry, jobs=jobs)
        if registry.retire_version(record, change):
            return replace(record, retired=change)
    raise AliasConflict(f"Labels are being moved to {ref} at this moment; look again, then decide.", field="version")


def check_unused(ref: ModelRef, *, registry: Registry, jobs: JobStore) -> None:
    """Raise VersionInUse if a label or an open job uses a version."""
    users = [*_labels(ref, registry.labels(ref.name)), *_jobs(ref, jobs)]
    if users:
        more = f" and {len(users) - _MOST_TOLD} more" if len(users) > _MOST_TOLD else ""
        raise VersionInUse(
            f"{ref} is in use by {', '.join(users[:_MOST_TOLD])}{more}; move the labels and let the jobs end first.",
            field="version",
            got=users[:_MOST_TOLD],
        )


def _labels(ref: ModelRef, labels: list[LabelRecord]) -> list[str]:
    stable = [f"label {record.label}" for record in labels if record.version == ref.version]
    canaries = [(record.label, record.canary) for record in labels if record.canary is not None]
    told = [
        f"label {label} (canary at {canary.weight_percent:g}%)"
        for label, canary in canaries
        if canary.version == ref.version
    ]
    return stable + told


def _jobs(ref: ModelRef, jobs: JobStore) -> list[str]:
    return [
        f"job {job.job_id} of {job.tenant} ({job.state})"
        for job in jobs.open_jobs(updated_before=_ANY_TIME)
        if job.model == ref.name and _version(job) == ref.version
    ]


def _version(job: Job) -> int | None:
    """Return the version that a job is pinned to, or will be as its request names it by number."""
    if job.version is not None or job.kind is not JobKind.BATCH:
        return job.version
    asked = decode_json(job.request, BatchRequest, what="batch request").version
    return int(asked) if asked is not None and asked.isascii() and asked.isdigit() else None
