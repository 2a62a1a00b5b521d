"""POST /jobs/{id}/retry: what failed in a job, as a job of its own."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from lambent.contracts.batch_request import JOB_ID_MAX, BatchInput, BatchRequest
from lambent.contracts.decoding import decode_json
from lambent.domain.job import Job, JobKind
from lambent.domain.model import digest
from lambent.errors import InProgress, NothingFailed, RequestInvalid
from lambent.ports import JobStore
from lambent.services.show_job import find_job
from lambent.services.submit_job import SubmitService

_ENDING = "-retry"


class RetryJobService:
    """Repeats jobs of one tenant at a time."""

    def __init__(self, *, jobs: JobStore, submit: SubmitService) -> None:
        self._jobs = jobs
        self._submit = submit

    def retry(self, tenant: str, job_id: str) -> Job:
        """Submit a job of the items that have no result, on the version that the job was pinned to.

        The new job is named by the old one, so that retrying twice gives one job. What fails in it is retried by
        retrying it.

        Returns
        -------
        Job   as it was accepted

        Raises
        ------
        JobNotFound      no such job; another tenant's id answers exactly so
        RequestInvalid   the job is a call: send it again
        InProgress       the job has not ended
        NothingFailed    every item has a result
        Unavailable      and what `SubmitService.submit` raises
        """
        job = find_job(self._jobs, tenant, job_id)
        if job.kind is JobKind.CALL:
            raise RequestInvalid("A call is no batch; send its request again.", field="id")
        if not job.state.is_terminal:
            raise InProgress(f"The job is {job.state.value}; retry what failed once it has ended.", field="id")
        if job.total is not None and job.done == job.total:
            raise NothingFailed("Every item of this job has a result; there is nothing to retry.", field="id")
        # What was planned is repeated by its plan; the request itself may be large.
        asked = self._submit.whole_request(job) if job.total is None else job.request
        return self._submit.submit(tenant, retry_request(job, asked))


def retry_request(job: Job, request: str) -> BatchRequest:
    """Return the request that repeats what failed in a job: on its version if it was planned, else as it was asked.

    Parameters
    ----------
    request   JSON of the job's own request, whole for a job that was not planned
    """
    asked = decode_json(request, BatchRequest, what="request of the job")
    name = retry_id(job.job_id)
    if job.total is None:  # it failed before its input was read
        return msgspec.structs.replace(asked, id=name, deadline=UNSET)
    return msgspec.structs.replace(
        asked,
        id=name,
        input=BatchInput(failed_of=job.job_id),
        label=None,
        version=str(job.version),
        deadline=UNSET,
    )


def retry_id(job_id: str) -> str:
    """Return the id of the job that repeats another one."""
    if len(job_id) + len(_ENDING) <= JOB_ID_MAX:
        return job_id + _ENDING
    mark = f"-{digest(job_id.encode())[:8]}{_ENDING}"
    return job_id[: JOB_ID_MAX - len(mark)] + mark
