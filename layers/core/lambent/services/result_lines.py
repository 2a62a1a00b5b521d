"""A shard's results so far: lines in a temporary file, so that memory does not depend on their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

import orjson

from lambent.contracts.lines import encode_lines
from lambent.errors import Unavailable

_IN_MEMORY_BYTES = 1 << 18


def scratch_file() -> BinaryIO:
    """Return a new temporary file, which is in memory while it is small and is gone once it is closed."""
    return cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY_BYTES))


@contextmanager
def writing_scratch() -> Iterator[None]:
    """Turn a full disk into Unavailable: another host may have more room, and the shard goes on there."""
    try:
        yield
    except OSError as exc:
        raise Unavailable("The scratch storage of this host is full or failed; the shard is run again.") from exc


class ResultLines(AbstractContextManager["ResultLines"]):
    """Lines of results and errors, one an item, in the order in which they were added."""

    def __init__(self) -> None:
        self._file = scratch_file()
        self.done = 0
        self.failed = 0
        self.size_bytes = 0

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        self._file.close()

    def __len__(self) -> int:
        """Return how many lines there are."""
        return self.done + self.failed

    def add(self, lines: list[dict[str, Any]]) -> None:
        """Append lines; raises Unavailable if the disk is full."""
        failed = sum("error" in line for line in lines)
        self.add_encoded(encode_lines(lines), done=len(lines) - failed, failed=failed)

    def add_encoded(self, body: bytes, *, done: int, failed: int) -> None:
        """Append lines that are encoded already; raises Unavailable if the disk is full."""
        with writing_scratch():
            self._file.seek(self.size_bytes)
            self._file.write(body)
        self.size_bytes += len(body)
        self.done += done
        self.failed += failed

    def since(self, start: int) -> bytes:
        """Return the bytes from ``start`` on."""
        self._file.seek(start)
        return self._file.read(self.size_bytes - start)

    def open(self) -> BinaryIO:
        """Return the file, at its beginning; it stays this object's."""
        self._file.seek(0)
        return self._file


def each_error(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the encoded lines of items that failed."""
    # Most lines are told apart without being parsed; a result may hold the word, but not as its own field.
    return (line for line in lines if b'"error":' in line and "error" in orjson.loads(line))
