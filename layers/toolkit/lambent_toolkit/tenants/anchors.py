"""Heads of the trail where nobody can take them back: objects of a bucket with S3 Object Lock, outside the stack.

Who may write the stack's table can write another trail there that fits in itself. An anchor is a head in a bucket that
keeps what it has, whoever asks, for as long as its own default retention says (COMPLIANCE mode): best one of another
account. The head stands in the object's name, so writing over an anchor changes nothing; one that is hidden by a delete
marker is found among the versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lambent.adapters.aws_errors import error_code
from lambent.domain.audit_trail import Head, read_head
from lambent_toolkit.stacks.errors import telling_aws_errors
from lambent_toolkit.tenants.errors import AnchorsUnlocked

_AREA = "lambent-trail"
_LOCKED = "COMPLIANCE"
_NO_LOCK = "ObjectLockConfigurationNotFoundError"


@dataclass(frozen=True)
class Anchor:
    """A head, and when it was put there by the clock of S3."""

    head: Head
    at: datetime


class Anchors:
    """The anchors of one stack's trail.

    Parameters
    ----------
    s3       boto3 client
    bucket   with S3 Object Lock
    table    of the stack, by whose name its anchors are known
    """

    def __init__(self, s3: Any, bucket: str, *, table: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, f"{_AREA}/{table}/"

    def all(self) -> list[Anchor]:
        """Return all that was ever anchored, the oldest first; raises StackError."""
        found: dict[Head, datetime] = {}
        with telling_aws_errors():
            for page in self._s3.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            ):
                for each in page.get("Versions", []):
                    head = read_head(each["Key"].removeprefix(self._prefix).replace("-", ":"))
                    if head is not None:
                        found[head] = min(each["LastModified"], found.get(head, each["LastModified"]))
        return [Anchor(head, at) for head, at in sorted(found.items(), key=lambda pair: pair[0].number)]

    def add(self, head: Head) -> datetime:
        """Anchor a head; return until when nobody can remove it.

        Raises
        ------
        AnchorsUnlocked   the bucket does not keep what is put there
        StackError
        """
        key = f"{self._prefix}{head.number}-{head.digest}"
        with telling_aws_errors():
            self._check_lock()
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=str(head).encode(), ContentType="text/plain")
            told = self._s3.head_object(Bucket=self._bucket, Key=key)
        if told.get("ObjectLockMode") != _LOCKED:
            raise self._unlocked("it took the anchor without a lock")
        until: datetime = told["ObjectLockRetainUntilDate"]
        return until

    def _check_lock(self) -> None:
        try:
            told = self._s3.get_object_lock_configuration(Bucket=self._bucket)["ObjectLockConfiguration"]
        except ClientError as exc:
            if error_code(exc) == _NO_LOCK:
                raise self._unlocked("it has no S3 Object Lock") from exc
            raise
        mode = told.get("Rule", {}).get("DefaultRetention", {}).get("Mode")
        if mode != _LOCKED:
            raise self._unlocked(f"its default retention is {mode or 'none'}")

    def _unlocked(self, why: str) -> AnchorsUnlocked:
        return AnchorsUnlocked(
            f"The bucket {self._bucket} keeps no anchor: {why}. Name one with S3 Object Lock and a default retention "
            f"in {_LOCKED} mode, which nobody of this stack may write: `aws s3api create-bucket "
            "--object-lock-enabled-for-bucket`, then `put-object-lock-configuration`."
        )
