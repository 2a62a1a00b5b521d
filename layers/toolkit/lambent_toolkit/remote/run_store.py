"""The data bucket as an operator's machine uses it: bundles are sent from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from lambent.adapters.aws_errors import translate
from lambent.adapters.s3 import S3ObjectStore
from lambent.ports import ObjectStore


class RunStore(ObjectStore, Protocol):
    """A bucket that takes files."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's content, never holding it in memory; raises Unavailable."""
        ...


class S3RunStore(S3ObjectStore):
    """One S3 bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        super().__init__(client, bucket, what="data store")
        self._s3, self._name = client, bucket

    def upload(self, key: str, path: Path) -> None:
        """Write a file's content; see `RunStore`."""
        with path.open("rb") as file, translate("data store"):
            self._s3.put_object(Bucket=self._name, Key=key, Body=file, ContentType="application/zip")
