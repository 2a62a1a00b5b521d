"""Lines of several objects, one after another, a bounded number of bytes at a time."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from lambent.contracts.paging import cursor_refused
from lambent.errors import PayloadTooLarge
from lambent.ports import ObjectStore

_PLACE = re.compile(r"(\d{1,5}):(\d{1,12})")
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class LinePlace:
    """A place between two lines: a shard, and how many bytes of its lines lie before."""

    shard: int = 0
    offset: int = 0

    def __str__(self) -> str:
        """Return the place as `parse_place` reads it."""
        return f"{self.shard}:{self.offset}"


def parse_place(text: str) -> LinePlace:
    """Return the place that a cursor holds; raises CursorInvalid for what no cursor of ours holds."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise cursor_refused()
    return LinePlace(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class Lines:
    """Whole lines of an object, and whether they were its last ones."""

    body: bytes
    is_end: bool


def read_whole_lines(data: ObjectStore, key: str, offset: int, *, max_bytes: int, is_gzip: bool = False) -> Lines:
    """Return as many whole lines from a place in an object on as fit; none if already the first does not.

    Parameters
    ----------
    offset   in the lines themselves, before they were compressed

    Raises
    ------
    SourceGone   no such object, or no such place in it
    Unavailable
    """
    if is_gzip:
        read = _inflated(data, key, offset, max_bytes + 1)
    else:
        read = data.read_range(key, offset, offset + max_bytes + 1)
    if len(read) <= max_bytes:
        return Lines(read, is_end=True)
    return Lines(read[: read.rfind(b"\n", 0, max_bytes) + 1], is_end=False)


def check_line_fits(lines: Lines, *, max_bytes: int) -> None:
    """Refuse lines that are none because the next one is longer than an answer; raises PayloadTooLarge."""
    if not lines.body and not lines.is_end:
        raise PayloadTooLarge(
            f"The next line is longer than an answer may be, {max_bytes} bytes. Ask for application/json, which gives "
            "the address of the whole part.",
            field="cursor",
            limit=max_bytes,
        )


def _inflated(data: ObjectStore, key: str, offset: int, size: int) -> bytes:
    """Return bytes of what a gzip object holds, without ever holding more than a piece of what lies before."""
    kept, at = bytearray(), 0
    for piece in _pieces(data.read(key).body):
        start = max(0, offset - at)
        kept += piece[start:]
        at += len(piece)
        if len(kept) >= size:
            break
    return bytes(kept[:size])


def _pieces(body: bytes) -> Iterator[bytes]:
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    while body and not inflate.eof:
        yield inflate.decompress(body, _PIECE_BYTES)
        body = inflate.unconsumed_tail
