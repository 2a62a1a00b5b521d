"""All items of a job into one object, with bounded memory however many they are."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from contextlib import AbstractContextManager
from hashlib import sha256
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import msgspec

from lambent.contracts.jobs import ShardItem
from lambent.contracts.lines import CONTENT_TYPE
from lambent.errors import ManifestInvalid
from lambent.ports import ObjectStore

# With the manifest and the ids this has to fit into the function's scratch storage.
MAX_SPOOL_BYTES = 1 << 30


class ItemSpool(AbstractContextManager["ItemSpool"]):
    """Items as lines of a temporary file; only where each line begins is kept in memory, 8 bytes an item.

    ``objects`` counts the items that are to be fetched from the bucket.
    """

    def __init__(self) -> None:
        self._file = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 - closed at the end of the block
        self._starts = array("Q")
        self._size_bytes = 0
        self.objects = 0
        self._hash = sha256()

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        self._file.close()

    def add_all(self, items: Iterable[ShardItem]) -> None:
        """Append items in their order; raises ManifestInvalid if they take more than MAX_SPOOL_BYTES."""
        encode = msgspec.json.Encoder().encode
        for item in items:
            line = encode(item) + b"\n"
            self.objects += item.key is not None
            self._starts.append(self._size_bytes)
            self._file.write(line)
            self._hash.update(line)
            self._size_bytes += len(line)
            if self._size_bytes > MAX_SPOOL_BYTES:
                raise ManifestInvalid(
                    f"The items take more than {MAX_SPOOL_BYTES} bytes when written out, with each row's column names; "
                    "split them into several jobs.",
                    field="input",
                    limit=MAX_SPOOL_BYTES,
                )

    def __len__(self) -> int:
        """Return how many items there are."""
        return len(self._starts)

    @property
    def file_name(self) -> str:
        """Return the items object's name, which is that of its content."""
        return f"items-{self._hash.hexdigest()[:16]}.jsonl"

    def offsets(self, shard_items: int) -> list[int]:
        """Return where each shard of so many items begins, and where the last one ends."""
        return [*self._starts[::shard_items], self._size_bytes]

    def upload(self, data: ObjectStore, key: str) -> None:
        """Write the object; raises Unavailable."""
        self._file.seek(0)
        data.upload(key, self._file, content_type=CONTENT_TYPE)
