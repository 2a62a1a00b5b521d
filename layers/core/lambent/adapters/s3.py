"""ObjectStore on Amazon S3."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code, translate
from lambent.errors import PayloadTooLarge, SourceChanged, SourceGone
from lambent.ports import Downloaded, ListedObject, ObjectHead, StoredObject

_GONE = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
# What S3 may answer for a missing object to whoever may list some prefixes of a bucket only.
_REFUSED = frozenset({"AccessDenied", "403", "Forbidden"})
# 409 ConditionalRequestConflict is not among them: another write is under way, and it may still fail.
_TAKEN = frozenset({"PreconditionFailed", "412"})
# What a write on a condition is told where it does not hold: S3 answers 404 to If-Match where there is no object.
_NOT_AS_SEEN = _TAKEN | _GONE | frozenset({"ConditionalRequestConflict", "409"})


_PIECE_BYTES = 1 << 20


class S3ObjectStore:
    """One S3 bucket; ``what`` names it in messages without naming the bucket."""

    def __init__(self, client: Any, bucket: str, *, what: str) -> None:
        self._client = client
        self._bucket = bucket
        self._what = what

    def read(self, key: str, *, max_bytes: int | None = None) -> StoredObject:
        """Return the object; see ports.ObjectStore."""
        with translate(self._what):
            answer = self._get(key, max_bytes)
            return StoredObject(
                answer["Body"].read(),
                answer["ETag"].strip('"'),
                answer.get("ContentType", ""),
                answer["LastModified"].timestamp(),
            )

    def download(self, key: str, file: BinaryIO, *, max_bytes: int, etag: str | None = None) -> Downloaded:
        """Write the object to an open file piece by piece; see ports.ObjectStore."""
        hashed, size_bytes = sha256(), 0
        with translate(self._what):
            for piece in self._get(key, max_bytes, etag)["Body"].iter_chunks(_PIECE_BYTES):
                file.write(piece)
                hashed.update(piece)
                size_bytes += len(piece)
        return Downloaded(hashed.hexdigest(), size_bytes)

    def _get(self, key: str, max_bytes: int | None, etag: str | None = None) -> Any:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **_if_match(etag))
        except ClientError as exc:
            if self._is_gone(exc, key):
                raise SourceGone("The object does not exist or was deleted before it was read.") from exc
            _raise_if_changed(exc)
            raise
        size_bytes = answer["ContentLength"]
        if max_bytes is not None and size_bytes > max_bytes:
            answer["Body"].close()
            raise PayloadTooLarge(
                f"The object has {size_bytes} bytes, at most {max_bytes} are taken.", limit=max_bytes, got=size_bytes
            )
        return answer

    def read_range(self, key: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        """Return some bytes of an object; see ports.ObjectStore."""
        if stop <= start:
            return b""
        with translate(self._what):
            try:
                answer = self._client.get_object(
                    Bucket=self._bucket, Key=key, Range=f"bytes={start}-{stop - 1}", **_if_match(etag)
                )
            except ClientError as exc:
                if error_code(exc) in {"InvalidRange", "416"} or self._is_gone(exc, key):
                    raise SourceGone("The object does not exist, or is shorter than it was.") from exc
                _raise_if_changed(exc)
                raise
            return bytes(answer["Body"].read())

    def upload(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        """Write an open file, in several parts if it is large; see ports.ObjectStore."""
        # Few functions upload, and it is slow to import.
        from s3transfer.manager import TransferManager

        with translate(self._what), TransferManager(self._client) as manager:
            manager.upload(file, self._bucket, key, extra_args={"ContentType": content_type}).result()

    def etag(self, key: str) -> str | None:
        """Return an object's current etag, or None if there is no such object."""
        head = self.head(key)
        return None if head is None else head.etag

    def head(self, key: str) -> ObjectHead | None:
        """Return what is told of an object, or None if there is none."""
        with translate(self._what):
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as exc:
                if self._is_gone(exc, key):
                    return None
                raise
            return ObjectHead(
                str(answer["ETag"]).strip('"'),
                answer["ContentLength"],
                answer.get("ContentType", ""),
                answer["LastModified"].timestamp(),
            )

    def _is_gone(self, exc: ClientError, key: str) -> bool:
        """Tell whether a read failed because there is no such object; where S3 does not say so, its listing does."""
        code = error_code(exc)
        if code not in _REFUSED:
            return code in _GONE
        try:
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
        except ClientError:
            return False
        return all(entry["Key"] != key for entry in found.get("Contents", []))

    def write_once(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> bool:
        """Write unless the key exists; return whether this call wrote it."""
        with translate(self._what):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*"
                )
            except ClientError as exc:
                if error_code(exc) in _TAKEN:
                    return False
                raise
            return True

    def write_if(self, key: str, body: bytes, *, etag: str | None, content_type: str) -> str | None:
        """Write if the object is as it was seen; see ports.ObjectStore."""
        condition = {"IfNoneMatch": "*"} if etag is None else _if_match(etag)
        with translate(self._what):
            try:
                answer = self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, **condition
                )
            except ClientError as exc:
                if error_code(exc) in _NOT_AS_SEEN:
                    return None
                raise
            return str(answer["ETag"]).strip('"')

    def delete_if(self, key: str, *, etag: str) -> bool:
        """Delete if the object is as it was seen; see ports.ObjectStore."""
        with translate(self._what):
            try:
                self._client.delete_object(Bucket=self._bucket, Key=key, **_if_match(etag))
            except ClientError as exc:
                if error_code(exc) in _NOT_AS_SEEN:
                    return False
                raise
            return True

    def write(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> None:
        """Write, replacing what was there."""
        with translate(self._what):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def delete(self, key: str) -> None:
        """Delete; a key that does not exist is fine."""
        with translate(self._what):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def listing(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with ``prefix``, in the order of their keys."""
        arguments = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            with translate(self._what):
                page = self._client.list_objects_v2(**arguments)
            for entry in page.get("Contents", []):
                yield ListedObject(entry["Key"], entry["Size"], entry["LastModified"].timestamp())
            if not page["IsTruncated"]:
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def uri(self, key: str) -> str:
        """Return the ``s3://`` address of a key."""
        return f"s3://{self._bucket}/{key}"


def _if_match(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"IfMatch": f'"{etag}"'}


def _raise_if_changed(exc: ClientError) -> None:
    if error_code(exc) in _TAKEN:
        raise SourceChanged("The object was overwritten before it was read.") from exc
