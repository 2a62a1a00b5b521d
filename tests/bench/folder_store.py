"""An object store in a folder, with real files: what S3 is to a shard, without S3's waiting and without its client."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO

from lambent.errors import SourceGone
from lambent.ports import Downloaded, ListedObject, StoredObject


class FolderStore:
    """Keys are paths under a folder; see ports.ObjectStore."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str, *, max_bytes: int | None = None) -> StoredObject:
        """Return the object."""
        return StoredObject(self._path(key).read_bytes(), "", "", 0.0)

    def download(self, key: str, file: BinaryIO, *, max_bytes: int) -> Downloaded:
        """Copy the object to an open file."""
        with self._path(key).open("rb") as source:
            shutil.copyfileobj(source, file)
            size_bytes = source.tell()
            source.seek(0)
            return Downloaded(file_digest(source, "sha256").hexdigest(), size_bytes)

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """Return some bytes of an object."""
        with self._path(key).open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def upload(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        """Write the rest of an open file."""
        self.write(key, file, content_type=content_type)

    def etag(self, key: str) -> str | None:
        """Return something if the object exists."""
        return "etag" if (self._folder / key).exists() else None

    def write_once(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> bool:
        """Write unless the key exists."""
        if (self._folder / key).exists():
            return False
        self.write(key, body, content_type=content_type)
        return True

    def write(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> None:
        """Write, replacing what was there."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            if isinstance(body, bytes):
                file.write(body)
            else:
                shutil.copyfileobj(body, file)

    def delete(self, key: str) -> None:
        """Delete."""
        (self._folder / key).unlink(missing_ok=True)

    def listing(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects of a folder."""
        for path in sorted((self._folder / prefix).glob("*")):
            yield ListedObject(f"{prefix}{path.name}", path.stat().st_size, 0.0)

    def uri(self, key: str) -> str:
        """Return an address that nobody reads."""
        return f"s3://folder/{key}"

    def _path(self, key: str) -> Path:
        path = self._folder / key
        if not path.exists():
            raise SourceGone("The object does not exist or was deleted before it was read.")
        return path
