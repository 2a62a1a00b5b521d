"""The failure of an upload whose message nobody could bring to an end."""

from __future__ import annotations

import orjson

from lambent.domain.dead_letters import Became
from lambent.domain.lost_work import LostUpload
from lambent.errors import LambentError, SourceGone
from lambent.ports import JobStore, ObjectStore
from lambent.services.ingest_batch import is_batch, tell_job, upload_job_id
from lambent.services.outcome import Source, write_failure

_RESULT, _FAILURE = ".json", ".error.json"


class UploadFailer:
    """Writes failures where the results of uploads would be; never over a result, nor over a newer upload's outcome."""

    def __init__(self, *, data: ObjectStore, jobs: JobStore) -> None:
        self._data = data
        self._jobs = jobs

    def fail(self, upload: LostUpload, error: LambentError) -> Became:
        """Record the failure of an upload that has no outcome; raises Unavailable."""
        now = self._data.etag(upload.key)
        if now is not None and upload.etag and now != upload.etag:
            return Became.SETTLED  # it was overwritten, and its successor has an event of its own
        source = Source(upload.key, upload.etag or now or "", upload.sequencer)
        if source.etag in self._outcomes(upload.stem).values() or self._is_job(upload, source):
            return Became.SETTLED
        write_failure(
            self._data,
            upload.stem,
            error if now is not None else SourceGone("The upload was deleted before it was read."),
            source_name=upload.key.rpartition("/")[2],
            source_etag=source.etag,
            source_key=upload.key,
            source_sequencer=upload.sequencer,
            keeps_own=True,  # a last delivery may have its result in this moment
        )
        is_there = self._outcomes(upload.stem).get(_FAILURE) == source.etag
        return Became.FAILED if is_there else Became.SETTLED

    def _outcomes(self, stem: str) -> dict[str, str]:
        """Return the etags of the uploads that have an outcome there, by the ending of its key."""
        found: dict[str, str] = {}
        for ending in (_RESULT, _FAILURE):
            try:
                told = orjson.loads(self._data.read(f"{stem}{ending}").body)
            except SourceGone:
                continue
            found[ending] = str(told.get("source_etag"))
        return found

    def _is_job(self, upload: LostUpload, source: Source) -> bool:
        """Return whether the upload is a job already; then that is told where the result would be."""
        if upload.tenant is None or not is_batch(upload.key.rpartition("/")[2]):
            return False
        job = self._jobs.head(upload.tenant, upload_job_id(upload.key, source.etag))
        if job is None:
            return False
        tell_job(self._data, job, source)
        return True
