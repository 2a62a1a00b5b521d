"""Door 2, for batches: an uploaded manifest, table or archive becomes a job of its own."""

from __future__ import annotations

import os
from pathlib import Path

from lambent.contracts.batch_request import BatchInput, BatchRequest
from lambent.domain.job import Job
from lambent.domain.model import ModelChoice, digest
from lambent.domain.names import job_key, result_stem
from lambent.domain.uploads import UploadGrant
from lambent.errors import PayloadTooLarge, SourceChanged, SourceEmpty, SourceGone
from lambent.ports import ObjectHead, ObjectStore
from lambent.services.input_address import format_of_name
from lambent.services.outcome import Source, write_result
from lambent.services.read_items import MAX_MANIFEST_BYTES
from lambent.services.read_zip import MAX_ZIP_BYTES
from lambent.services.submit_job import SubmitService

_ID_DIGITS = 40


def is_batch(name: str) -> bool:
    """Return whether an upload of this name is a batch, which its ending tells: .jsonl, .csv, .parquet or .zip."""
    return format_of_name(name) is not None


def upload_job_id(key: str, etag: str) -> str:
    """Return the id of the job that an upload with these bytes is."""
    return "upload-" + digest(f"{key}\n{etag}".encode())[:_ID_DIGITS]


def tell_job(data: ObjectStore, job: Job, source: Source) -> None:
    """Write where an upload's result would be which job the upload is; raises Unavailable."""
    key = str(source.key)
    told = {
        "model": job.model,
        "job": {"id": job.job_id, "path": f"/jobs/{job.job_id}", "files": job_key(job.tenant, job.job_id, "")},
    }
    write_result(data, result_stem(key), told, source=source, source_name=key.rpartition("/")[2])


class UploadedBatches:
    """Submits uploads of all tenants as jobs."""

    def __init__(self, *, data: ObjectStore, submit: SubmitService) -> None:
        self._data = data
        self._submit = submit

    def submit(
        self,
        tenant: str,
        key: str,
        etag: str,
        choice: ModelChoice,
        grant: UploadGrant | None,
        *,
        sequencer: str | None = None,
    ) -> None:
        """Submit one upload's job, and write where its result would be which job that is.

        The same upload, however often it is told of, is the same job. One that replaces it is another, and fails the
        job of the one before with `SourceChanged` if that has not been planned yet.

        Parameters
        ----------
        etag        as the event said, perhaps empty
        choice      the model, and the version or label of the grant
        sequencer   as the event said

        Raises
        ------
        SourceGone, SourceChanged, SourceEmpty, PayloadTooLarge
        UploadKeyInvalid, MediaTypeUnsupported, ChecksumMismatch   it is not what the grant allows
        Unavailable                                                and any other retryable error
        """
        head = self._head(key, etag)
        if grant is not None:
            self._check_grant(key, head, grant)
        request = BatchRequest(
            schema_version=1,
            id=upload_job_id(key, head.etag),
            model=choice.name,
            version=choice.version,
            label=choice.label,
            input=BatchInput(uri=self._data.uri(key), etag=head.etag),
        )
        job = self._submit.submit(tenant, request)
        tell_job(self._data, job, Source(key, head.etag, sequencer))

    def _head(self, key: str, etag: str) -> ObjectHead:
        head = self._data.head(key)
        if head is None:
            raise SourceGone("The upload was deleted before it was read.")
        if etag and head.etag != etag:
            raise SourceChanged("The upload was overwritten before it was read; the newer one has its own job.")
        if not head.size_bytes:
            raise SourceEmpty("The upload is empty (0 bytes).", got=0)
        limit = MAX_ZIP_BYTES if format_of_name(key) == "zip" else MAX_MANIFEST_BYTES
        if head.size_bytes > limit:
            raise PayloadTooLarge(
                f"The upload has {head.size_bytes} bytes, at most {limit} are taken; split it.",
                limit=limit,
                got=head.size_bytes,
            )
        return head

    def _check_grant(self, key: str, head: ObjectHead, grant: UploadGrant) -> None:
        with Path(os.devnull).open("wb") as nowhere:
            found = self._data.download(key, nowhere, max_bytes=grant.max_bytes, etag=head.etag)
        grant.check(
            key,
            size_bytes=found.size_bytes,
            sha256=found.sha256,
            content_type=head.content_type,
            written_at_s=head.written_at_s,
        )
