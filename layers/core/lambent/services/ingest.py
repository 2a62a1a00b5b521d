"""Door 2: an uploaded object becomes a tensor and an inference message, or a batch job."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from io import BytesIO
from typing import Any

import msgspec
import numpy as np

from lambent.contracts.messages import TensorMessage
from lambent.domain.model import KERAS_FILE, TFLITE_FILE, ModelChoice, ModelRef, digest
from lambent.domain.names import parse_upload_key, result_stem, work_key
from lambent.domain.preprocessing import Preprocessor
from lambent.domain.rollout import body_key
from lambent.domain.uploads import UploadGrant, granted_upload_id
from lambent.errors import LambentError, SourceChanged, SourceEmpty, UploadKeyInvalid
from lambent.ports import ComputingWatch, GrantStore, IsolatedComputing, ObjectStore, Queue, StoredObject
from lambent.services.golden import check_preprocessing
from lambent.services.ingest_batch import UploadedBatches, is_batch
from lambent.services.isolated_models import IsolatedPreprocessor
from lambent.services.load_model import ModelResolver
from lambent.services.outcome import write_failure
from lambent.services.version_files import VersionFiles
from lambent.services.watched_models import WatchedPreprocessor

# A large tokenizer takes some 30 MB of the function's memory; the least recently used one makes room.
MOST_PREPROCESSORS = 8


@dataclass(frozen=True)
class Upload:
    """An object-created event: the decoded key and the etag at that time (without quotes; may be empty).

    ``sequencer`` is S3's order of the events of one key, None where the event told none.
    """

    key: str
    etag: str
    sequencer: str | None = None


class IngestService:
    """Uploads of all tenants.

    ``computing`` is where items are preprocessed that may end the process; None: here, where ``watch`` ends those that
    take longer than ``limit_s``.
    """

    def __init__(
        self,
        *,
        data: ObjectStore,
        grants: GrantStore,
        resolver: ModelResolver,
        files: VersionFiles,
        queue: Queue,
        batches: UploadedBatches,
        max_upload_bytes: int,
        computing: IsolatedComputing | None = None,
        watch: ComputingWatch | None = None,
        limit_s: float = 0.0,
    ) -> None:
        self._data = data
        self._grants = grants
        self._resolver = resolver
        self._files = files
        self._queue = queue
        self._batches = batches
        self._max_upload_bytes = max_upload_bytes
        self._computing = computing
        self._watch, self._limit_s = watch, limit_s
        self._preprocessors: OrderedDict[ModelRef, Preprocessor] = OrderedDict()

    def ingest(self, upload: Upload) -> LambentError | None:
        """Preprocess an upload and enqueue its inference; one that is a batch by its ending becomes a job.

        Returns
        -------
        the permanent error that was recorded beside where the result would be, or None

        Raises
        ------
        Unavailable   and any other retryable error; the event must be delivered again
        """
        try:
            # An event without an etag is of what lies there now, whatever comes after.
            upload = replace(upload, etag=upload.etag or self._data.etag(upload.key) or "")
            self._enqueue(upload)
        except LambentError as error:
            if not error.is_final:
                raise
            self._fail(upload, error)
            return error
        return None

    def give_up(self, upload: Upload, error: LambentError) -> None:
        """Write the failure of an upload that is not told of again, unless it has an outcome; raises Unavailable."""
        self._fail(upload, error, keeps_own=True)

    def _fail(self, upload: Upload, error: LambentError, *, keeps_own: bool = False) -> None:
        write_failure(
            self._data,
            result_stem(upload.key),
            error,
            source_name=upload.key.rpartition("/")[2],
            source_etag=upload.etag,
            source_key=upload.key,
            source_sequencer=upload.sequencer,
            keeps_own=keeps_own,
        )

    def _enqueue(self, upload: Upload) -> None:
        tenant, model, name = parse_upload_key(upload.key)
        grant = self._grant(tenant, upload.key)
        choice = grant.choice if grant is not None else ModelChoice(model)
        self._resolver.resolve(choice)  # what is not served is not worth reading for
        if is_batch(name):
            self._batches.submit(tenant, upload.key, upload.etag, choice, grant, sequencer=upload.sequencer)
            return
        stored = self._read(upload)
        target = self._resolver.target(choice, partial(_routing_key, grant, stored.body))
        ref = target.ref
        if grant is not None:
            grant.check(
                upload.key,
                size_bytes=len(stored.body),
                sha256=digest(stored.body),
                content_type=stored.content_type,
                written_at_s=stored.written_at_s,
            )
        arrays = self._careful(self._preprocessor(ref)).prepare(stored.body)
        # The same event delivered twice gives the same key, hence the same object.
        key = work_key(tenant, sha256(f"{upload.key}\n{stored.etag}\n{ref}".encode()).hexdigest()[:32])
        self._data.write(key, _to_npz(arrays), content_type="application/octet-stream")
        message = TensorMessage(
            tenant=tenant,
            model=ref.name,
            version=ref.version,
            tensor_key=key,
            result_stem=result_stem(upload.key),
            source_key=upload.key,
            source_name=name.rpartition("/")[2],
            source_etag=stored.etag,
            is_canary=target.is_canary,
            source_sequencer=upload.sequencer,
        )
        self._queue.send(msgspec.json.encode(message), group=tenant)

    def _grant(self, tenant: str, key: str) -> UploadGrant | None:
        """Return the grant that made a key; None for the keys of those who have rights of their own on the bucket."""
        upload_id = granted_upload_id(key)
        if upload_id is None:
            return None
        grant = self._grants.get(tenant, upload_id)
        if grant is None:
            raise UploadKeyInvalid("The key is one of a grant that does not exist; ask for one again.", field="key")
        return grant

    def _read(self, upload: Upload) -> StoredObject:
        stored = self._data.read(upload.key, max_bytes=self._max_upload_bytes)
        if upload.etag and stored.etag != upload.etag:
            raise SourceChanged("The upload was overwritten before it was read; the newer one has its own result.")
        if not stored.body:
            raise SourceEmpty("The upload is empty (0 bytes).", got=0)
        return stored

    def _careful(self, preprocessor: Preprocessor) -> Preprocessor:
        if self._computing is not None:
            return IsolatedPreprocessor(preprocessor, self._computing)
        return preprocessor if self._watch is None else WatchedPreprocessor(preprocessor, self._watch, self._limit_s)

    def _preprocessor(self, ref: ModelRef) -> Preprocessor:
        if ref not in self._preprocessors:
            self._preprocessors[ref] = self._load(ref)
        self._preprocessors.move_to_end(ref)
        if len(self._preprocessors) > MOST_PREPROCESSORS:
            self._preprocessors.popitem(last=False)
        return self._preprocessors[ref]

    def _load(self, ref: ModelRef) -> Preprocessor:
        manifest = self._files.manifest(ref)
        contract, preprocessor = self._files.preprocessing(ref, manifest)
        model_file = TFLITE_FILE if TFLITE_FILE in manifest.files else KERAS_FILE
        check_preprocessing(self._files.golden(ref, manifest, model_file), contract, preprocessor)
        return preprocessor


def _routing_key(grant: UploadGrant | None, body: bytes) -> str:
    """Return what the same item would be routed by as a body over HTTP."""
    return (grant.request_key if grant is not None else None) or body_key(body)


def _to_npz(arrays: Mapping[str, Any]) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
