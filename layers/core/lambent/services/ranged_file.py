"""An object as a seekable file that is read by ranges."""

from __future__ import annotations

from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedIOBase

from lambent.errors import ManifestInvalid
from lambent.ports import ObjectStore

_TAIL_BYTES = 65_536


class RangedFile(BufferedIOBase):
    """Reads what is asked for, and of the object's end some more at once: an archive's directory lies there.

    Parameters
    ----------
    etag             the object has to have this etag still at each read
    most_read_bytes  what all reads together may take; they end in ManifestInvalid beyond

    Raises
    ------
    SourceGone, SourceChanged, Unavailable   from reads
    """

    def __init__(self, data: ObjectStore, key: str, *, size_bytes: int, etag: str, most_read_bytes: int) -> None:
        self._data = data
        self._key = key
        self._size_bytes = size_bytes
        self._etag = etag
        self._left_bytes = self._most_read_bytes = most_read_bytes
        self._at = 0
        self._tail_start = max(0, size_bytes - _TAIL_BYTES)
        self._tail: bytes | None = None

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move; raises OSError before the beginning, as files do."""
        start = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise OSError("before the beginning of the file")
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes, fewer at the end."""
        stop = self._size_bytes if size is None or size < 0 else min(self._at + size, self._size_bytes)
        start, self._at = self._at, max(self._at, stop)
        if stop <= start:
            return b""
        if start >= self._tail_start:
            if self._tail is None:
                self._tail = self._fetch(self._tail_start, self._size_bytes)
            return self._tail[start - self._tail_start : stop - self._tail_start]
        return self._fetch(start, stop)

    def _fetch(self, start: int, stop: int) -> bytes:
        self._left_bytes -= stop - start
        if self._left_bytes < 0:
            raise ManifestInvalid(
                f"The archive's directory takes more than {self._most_read_bytes} bytes; split it into several.",
                field="input.uri",
                limit=self._most_read_bytes,
            )
        return self._data.read_range(self._key, start, stop, etag=self._etag)
