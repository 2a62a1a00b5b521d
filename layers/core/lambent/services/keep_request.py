"""A batch's request beside its record: a row of DynamoDB holds 400 KB, a message of the queue 1 MiB."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from lambent.contracts.batch_request import BatchInput, BatchRequest
from lambent.domain.job import Job
from lambent.domain.names import job_key, request_file
from lambent.errors import Misconfigured
from lambent.ports import ObjectStore

# The record has other fields, too, and each of its changes costs a write unit a KB of the row.
MAX_BYTES_IN_ROW = 100_000


def keep_request(data: ObjectStore, job: Job, request: BatchRequest, *, body: str | None = None) -> Job:
    """Store a new job's request as an object, if it is too large for its record; return the job to be recorded.

    In the record stands then the same request, but for its input, which lies in the object.

    Parameters
    ----------
    body   the request as it came; a message of its size was taken by the queue once, and will be again

    Raises
    ------
    Unavailable
    """
    if len(job.request.encode()) <= MAX_BYTES_IN_ROW:
        return job
    # Named by its content: racers with one id and two requests do not overwrite each other's.
    key = job_key(job.tenant, job.job_id, request_file(job.request_sha256))
    data.write(key, (body or job.request).encode(), content_type="application/json")
    short = msgspec.structs.replace(request, input=BatchInput(uri=data.uri(key)))
    return replace(job, request=msgspec.json.encode(short).decode(), request_key=key)


def whole_request(data: ObjectStore | None, job: Job) -> str:
    """Return a batch's request as it was accepted.

    Raises
    ------
    SourceGone      it was removed, as all of a job's objects are in the end
    Misconfigured   it lies in the data bucket, which ``data`` is not
    Unavailable
    """
    if job.request_key is None:
        return job.request
    if data is None:
        raise Misconfigured("The request of this job is an object, and whoever sends it was given no bucket.")
    return data.read(job.request_key).body.decode()
