"""A zip of pictures into items, by its central directory alone: nothing is extracted, most of it is not even read.

What a malicious archive can do to those who extract it (https://cwe.mitre.org/data/definitions/409.html, and 22; D.
Fifield, "A better zip bomb", WOOT 2019, for overlapping members) is refused here or bounded by `fetch_member`.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from lambent.contracts.jobs import ShardItem, ZipMember
from lambent.errors import ManifestInvalid
from lambent.ports import ObjectStore
from lambent.services.gather_items import gather_items
from lambent.services.ranged_file import RangedFile

MAX_ZIP_BYTES = 20 << 30
MAX_DIRECTORY_BYTES = 16 << 20
MAX_ENTRIES = 100_000
MAX_UNPACKED_BYTES = 200 << 30
# Pictures are compressed already. Deflate reaches 1,032 at most, which a bomb needs and no picture comes near.
MAX_RATIO = 100
_SMALL_BYTES = 1 << 20
_MAX_NAME_CHARACTERS = 1024
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_ARCHIVES = (".zip", ".jar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
# What macOS and Windows add unasked.
_CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db")


def zip_items(data: ObjectStore, key: str, *, etag: str | None, tell: Callable[[str], None]) -> Iterator[ShardItem]:
    """Yield an item a member, in the directory's order; its name in the archive is its id.

    Raises
    ------
    SourceChanged     the object has another etag, or gets one while it is read
    ManifestInvalid   missing, no zip, too large, or with members that no item can be: up to 20 of them in ``errors``
    Unavailable
    """
    head = data.head(key)
    if head is None:
        raise ManifestInvalid("The archive does not exist.", field="input.uri")
    _check_size("The archive has {} bytes", head.size_bytes, MAX_ZIP_BYTES)
    file = RangedFile(
        data, key, size_bytes=head.size_bytes, etag=etag or head.etag, most_read_bytes=2 * MAX_DIRECTORY_BYTES
    )
    with closing(_open(file)) as archive:
        entries = list(enumerate(archive.infolist(), start=1))
        directory_at = archive.start_dir
    _check_size("The archive has {} entries", len(entries), MAX_ENTRIES)
    _check_size("The archive unpacks to {} bytes", sum(entry.file_size for _, entry in entries), MAX_UNPACKED_BYTES)
    room = _room(entries, directory_at)

    def make(number: int, entry: ZipInfo) -> ShardItem:
        _check_kind(entry)
        _check_name(entry)
        _check_bytes(entry, room[number])
        member = ZipMember(
            header_offset=entry.header_offset,
            compressed_bytes=entry.compress_size,
            size_bytes=entry.file_size,
            method=entry.compress_type,
            crc32=entry.CRC,
        )
        return ShardItem(id=entry.filename, line=number, key=key, member=member)

    files = [(number, entry) for number, entry in entries if not _is_passed_over(entry)]
    yield from gather_items(files, make, unit="entry", what="archive")
    if len(files) < len(entries):
        tell(f"folders and system files of the archive passed over: {len(entries) - len(files)}")


def _open(file: RangedFile) -> ZipFile:
    try:
        return ZipFile(cast("IO[bytes]", file))
    except (BadZipFile, NotImplementedError, ValueError, OverflowError, IndexError, struct.error) as exc:
        raise ManifestInvalid(
            "The object is not a whole zip archive: its directory cannot be read.", field="input.uri"
        ) from exc


def _check_size(what: str, got: int, limit: int) -> None:
    if got > limit:
        raise ManifestInvalid(
            f"{what.format(got)}, at most {limit} are taken; split it into several.",
            field="input.uri",
            limit=limit,
            got=got,
        )


def _room(entries: list[tuple[int, ZipInfo]], directory_at: int) -> dict[int, int]:
    """Return how many bytes each entry has to itself, by its number: to the next one, or to the directory."""
    ordered = sorted(entries, key=lambda numbered: numbered[1].header_offset)
    starts = [entry.header_offset for _, entry in ordered]
    return {
        number: end - start
        for (number, _), start, end in zip(ordered, starts, [*starts, directory_at][1:], strict=True)
    }


def _is_passed_over(entry: ZipInfo) -> bool:
    parts = entry.filename.split("/")
    return entry.filename.endswith("/") or parts[0] in _CLUTTER or parts[-1] in _CLUTTER


def _check_kind(entry: ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _refused("is no file but a link or a device", field="name")
    if entry.filename.lower().endswith(_ARCHIVES):
        raise _refused("is an archive itself, and those are not read recursively", field="name")
    if entry.flag_bits & _ENCRYPTED:
        raise _refused("is encrypted", field="flags")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise _refused("is packed by a method other than deflate", field="method", got=entry.compress_type)


def _check_name(entry: ZipInfo) -> None:
    name = entry.filename
    # A NUL ends the name for some readers and not for others.
    leads_out = name.startswith("/") or "\\" in name or name[1:2] == ":" or ".." in name.split("/")
    if not name or leads_out or name != entry.orig_filename:
        raise _refused("has a name that leads out of the archive", field="name")
    if len(name) > _MAX_NAME_CHARACTERS:
        raise _refused("has too long a name", field="name", limit=_MAX_NAME_CHARACTERS, got=len(name))


def _check_bytes(entry: ZipInfo, room_bytes: int) -> None:
    packed, unpacked = entry.compress_size, entry.file_size
    if entry.header_offset < 0 or _LOCAL_HEADER_BYTES + packed > room_bytes:
        raise _refused("overlaps another entry or the directory", field="offset")
    if unpacked > max(_SMALL_BYTES, MAX_RATIO * packed):
        raise _refused(
            "unpacks to too many times its size", field="size", limit=MAX_RATIO, got=unpacked // (packed or 1)
        )
    is_stored = entry.compress_type == ZIP_STORED
    # Deflate adds some bytes a block to what it cannot pack; whoever fetches the entry relies on that.
    if packed != unpacked if is_stored else packed > unpacked + unpacked // 100 + 1024:
        raise _refused("has sizes that contradict each other", field="size", limit=unpacked, got=packed)


def _refused(reason: str, *, field: str, limit: int | None = None, got: int | None = None) -> ManifestInvalid:
    return ManifestInvalid(f"The entry {reason}.", field=field, limit=limit, got=got)
