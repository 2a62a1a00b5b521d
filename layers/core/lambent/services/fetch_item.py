"""The content of one item, wherever it lies."""

from __future__ import annotations

import struct
import zlib
from zipfile import ZIP_STORED

from lambent.contracts.jobs import ShardItem, ZipMember
from lambent.domain.preprocessing import RawItem
from lambent.errors import ChecksumMismatch, PayloadTooLarge
from lambent.ports import ObjectStore

# APPNOTE.TXT 6.3, 4.3.7: signature, version, flags, method, 16 bytes that the directory has too, lengths of name, extra
_LOCAL_HEADER = struct.Struct("<4sHHH16sHH")
_SIGNATURE = b"PK\x03\x04"
# Names and extra fields are shorter than this almost always, so that one read gets header and content.
_NAME_BYTES = 512


def fetch_item(data: ObjectStore, item: ShardItem, *, max_bytes: int) -> RawItem:
    """Return an item as a version's preprocessing takes it.

    Raises
    ------
    PayloadTooLarge    over ``max_bytes``; neither downloaded nor unpacked then
    ChecksumMismatch   a member of an archive that is not what the archive's directory said when the job was planned
    SourceGone         its object does not exist
    Unavailable
    """
    if item.row is not None:
        return item.row
    if item.text is not None:
        return item.text
    if item.data is not None:
        _check_size(len(item.data), max_bytes)
        return item.data
    if item.member is not None:
        _check_size(item.member.size_bytes, max_bytes)
        return _unpack(_read_member(data, str(item.key), item.member), item.member)
    return data.read(str(item.key), max_bytes=max_bytes).body


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise PayloadTooLarge(
            f"The item has {size_bytes} bytes, at most {max_bytes} are taken.", limit=max_bytes, got=size_bytes
        )


def _read_member(data: ObjectStore, key: str, member: ZipMember) -> bytes:
    """Return a member's packed bytes, which planning has bounded by what they unpack to."""
    start, packed = member.header_offset, member.compressed_bytes
    found = data.read_range(key, start, start + _LOCAL_HEADER.size + _NAME_BYTES + packed)
    if len(found) < _LOCAL_HEADER.size:
        raise _other_bytes()
    signature, _, _, method, _, name, extra = _LOCAL_HEADER.unpack_from(found)
    if signature != _SIGNATURE or method != member.method:
        raise _other_bytes()
    content = _LOCAL_HEADER.size + name + extra
    if len(found) < content + packed and name + extra > _NAME_BYTES:
        return data.read_range(key, start + content, start + content + packed)
    return found[content : content + packed]


def _unpack(packed: bytes, member: ZipMember) -> bytes:
    """Return the content, of exactly as many bytes as it was said to have; never makes more than that."""
    if member.method == ZIP_STORED:
        content, is_whole = packed, True
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, member.size_bytes + 1)
        except zlib.error as exc:
            raise _other_bytes() from exc
        is_whole = inflater.eof
    if not is_whole or len(content) != member.size_bytes or zlib.crc32(content) != member.crc32:
        raise _other_bytes()
    return content


def _other_bytes() -> ChecksumMismatch:
    return ChecksumMismatch(
        "The archive's entry is not what the archive's directory says; it is damaged, or was overwritten after the job "
        "was planned."
    )
