"""A zip of pictures into items, and what is done to those who would use it as a weapon."""

import json
import stat
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import pytest
from input_steps import HOME, put, read, refusal
from job_steps import job, ready, run_cpu

from builders import TENANT, picture
from lambent.contracts.lines import decode_lines
from lambent.domain.job_states import JobState
from lambent.errors import ChecksumMismatch, PayloadTooLarge, SourceChanged, SourceGone
from lambent.services import read_zip
from lambent.services.fetch_item import fetch_item
from lambent_toolkit.fakes import FakeObjectStore

KEY = f"inputs/{TENANT}/all.zip"
DIRECTORY, END = b"PK\x01\x02", b"PK\x05\x06"


def packed(*members: tuple[str | ZipInfo, bytes], method: int = ZIP_DEFLATED) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", method) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return buffer.getvalue()


def items(body: bytes, **changes: object):
    return read(put("all.zip", body), uri=f"{HOME}all.zip", **changes)


def reasons(body: bytes) -> list[tuple[int, str]]:
    error = refusal(put("all.zip", body), uri=f"{HOME}all.zip")
    return [(entry["entry"], entry["detail"]) for entry in error.errors or []]


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_members_are_items_whose_content_is_read_by_ranges(method: int) -> None:
    bodies = {"a.png": picture(0), "deep/ü b%.png": picture(255), "empty": b"", "n" * 700: b"x" * 3000}
    data = put("all.zip", packed(*bodies.items(), method=method))
    found = read(data, uri=f"{HOME}all.zip")

    assert [(item.id, item.line, item.key) for item in found] == [
        (name, line, KEY) for line, name in enumerate(bodies, start=1)
    ]
    assert [fetch_item(data, item, max_bytes=5_000) for item in found] == list(bodies.values())


def test_folders_and_what_systems_add_is_passed_over_and_told() -> None:
    told: list[str] = []

    found = items(
        packed(("p/", b""), ("p/a.png", b"x"), ("__MACOSX/p/._a.png", b"x"), ("p/.DS_Store", b"x")), tell=told.append
    )

    assert [(item.id, item.line) for item in found] == [("p/a.png", 2)]
    assert told == ["folders and system files of the archive passed over: 3"]


def test_an_archive_behind_other_bytes_is_read_where_it_begins() -> None:
    body = b"#!/bin/sh\n" * 9 + packed(("a.png", b"content"))
    data = put("all.zip", body)

    (item,) = read(data, uri=f"{HOME}all.zip")

    assert fetch_item(data, item, max_bytes=100) == b"content"


def link(name: str) -> ZipInfo:
    info = ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def in_directory(body: bytes, offset: int, form: str, *values: int) -> bytes:
    """Return the archive with other values in its first directory entry."""
    at = body.rindex(DIRECTORY, 0, body.rindex(END)) + offset
    return body[:at] + struct.pack(form, *values) + body[at + struct.calcsize(form) :]


def overlapping() -> bytes:
    """Return an archive of which two directory entries lead to the same member."""
    body = packed(("a.png", b"x" * 50))
    start, end = body.index(DIRECTORY), body.index(END)
    entry = body[start:end]
    other = entry.replace(b"a.png", b"b.png")
    tail = struct.pack("<4sHHHHIIH", END, 0, 0, 2, 2, 2 * len(entry), start, 0)
    return body[:start] + entry + other + tail


def quoted_overlap() -> bytes:
    """Return an archive whose first member quotes the second's local header in a stored block, as zbsm does."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = bytes(500)
    deflated = kernel.compress(content) + kernel.flush()
    second = _local(b"b.png", len(deflated), len(content), zlib.crc32(content)) + deflated
    quote = struct.pack("<BHH", 0, 30 + 5, 0xFFFF ^ 35)
    first_packed = quote + second
    whole = second[:35] + content
    first = _local(b"a.png", len(first_packed), len(whole), zlib.crc32(whole))
    start = len(first) + len(quote)
    directory = _entry(b"a.png", len(first_packed), len(whole), zlib.crc32(whole), 0)
    directory += _entry(b"b.png", len(deflated), len(content), zlib.crc32(content), start)
    body = first + first_packed
    return body + directory + struct.pack("<4sHHHHIIH", END, 0, 0, 2, 2, len(directory), len(body), 0)


def _local(name: bytes, size: int, unpacked: int, crc: int) -> bytes:
    return struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, size, unpacked, len(name), 0) + name


def _entry(name: bytes, size: int, unpacked: int, crc: int, offset: int) -> bytes:
    head = (DIRECTORY, 20, 20, 0, 8, 0, 33, crc, size, unpacked, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4sHHHHHHIIIHHHHHII", *head) + name


WEAPONS = {
    "nameless": (lambda: in_directory(packed(("a.png", b"x")), 28, "<HHH", 0, 0, 5), "leads out"),
    "absolute": (lambda: packed(("/etc/passwd", b"x")), "leads out"),
    "parent": (lambda: packed(("a/../../b.png", b"x")), "leads out"),
    "backslash": (lambda: packed(("..\\b.png", b"x")), "leads out"),
    "drive": (lambda: packed(("C:b.png", b"x")), "leads out"),
    "link": (lambda: packed((link("a.png"), b"/etc/passwd")), "a link"),
    "nested": (lambda: packed(("a.ZIP", packed(("a.png", b"x")))), "an archive itself"),
    "nested_tar": (lambda: packed(("a.tar.gz", b"x")), "an archive itself"),
    "encrypted": (lambda: in_directory(packed(("a.png", b"x")), 8, "<H", 1), "encrypted"),
    "bzip2": (lambda: packed(("a.png", b"x"), method=ZIP_BZIP2), "other than deflate"),
    "lzma": (lambda: packed(("a.png", b"x"), method=ZIP_LZMA), "other than deflate"),
    "ratio": (lambda: packed(("a.png", bytes(2 << 20))), "too many times"),
    "size_lie": (lambda: in_directory(packed(("a.png", b"x" * 99)), 24, "<I", 0xF0000000), "too many times"),
    "packed_lie": (lambda: in_directory(packed(("a.png", b"x")), 20, "<I", 0x7FFFFFFF), "overlaps"),
    "offset_lie": (lambda: in_directory(packed(("a.png", b"x")), 42, "<I", 0x7FFFFFFF), "overlaps"),
    "stored_lie": (lambda: in_directory(packed(("a.png", b"xy"), method=ZIP_STORED), 24, "<I", 1), "contradict"),
}


@pytest.mark.parametrize("name", WEAPONS)
def test_an_entry_that_is_a_weapon_is_refused_and_named_by_its_number(name: str) -> None:
    make, reason = WEAPONS[name]

    found = reasons(make())

    assert [number for number, _ in found] == [1]
    assert reason in found[0][1]


def test_a_name_that_ends_early_for_some_readers_is_refused() -> None:
    body = packed(("a.pngXb.txt", b"x")).replace(b"a.pngX", b"a.png\0")

    assert "leads out" in reasons(body)[0][1]


def test_entries_that_share_bytes_are_refused() -> None:
    assert {reason for _, reason in reasons(overlapping())} == {"The entry overlaps another entry or the directory."}
    assert [number for number, _ in reasons(quoted_overlap())] == [1]
    with ZipFile(BytesIO(quoted_overlap())) as archive:  # it is one that others read
        assert archive.read("b.png") == bytes(500)


def test_the_same_name_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        body = packed(("a.png", b"x"), ("a.png", b"y"))

    assert reasons(body) == [(2, "The id stands on an earlier entry already.")]


def test_an_archive_that_holds_itself_is_refused() -> None:
    # As R. Cox's r.zip: what matters is the entry's name and kind, since nothing is unpacked to be looked into.
    body = packed(("r/r.zip", b"the same archive again"))

    assert "an archive itself" in reasons(body)[0][1]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "no_archive": lambda _: b"no archive at all" * 9,
    "empty_object": lambda _: b"",
    "without_end": lambda body: body[:-30],
    "without_beginning": lambda body: body[60:],
    "directory_torn": lambda body: body.replace(DIRECTORY, b"PK\x01\x00"),
    "directory_size_lie": lambda body: (
        body[: body.rindex(END) + 12] + b"\xff\xff\xff\x7f" + body[body.rindex(END) + 16 :]
    ),
    "directory_offset_lie": lambda body: body[: body.rindex(END) + 16] + b"\xff\xff\xff\x7f" + body[-2:],
    "zip64_end_lie": lambda body: (
        body[: body.rindex(END)]
        + struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**62, 2**62)
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, body.rindex(END), 1)
        + struct.pack("<4sHHHHIIH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    ),
    "newer_version": lambda body: in_directory(body, 6, "<H", 999),
    "bad_utf8": lambda body: in_directory(body, 8, "<H", 0x800).replace(b"a.png", b"\xff.png"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_no_whole_archive_is_refused(how: str) -> None:
    error = refusal(put("all.zip", BROKEN[how](packed(("a.png", b"x" * 99)))), uri=f"{HOME}all.zip")

    assert error.field == "input.uri" or error.errors


def test_an_archive_of_nothing_is_refused() -> None:
    assert refusal(put("all.zip", packed()), uri=f"{HOME}all.zip").got == 0
    assert refusal(put("all.zip", packed(("p/", b""))), uri=f"{HOME}all.zip").got == 0
    assert "does not exist" in refusal(FakeObjectStore(), uri=f"{HOME}all.zip").detail


@pytest.mark.parametrize("limit", ["MAX_ZIP_BYTES", "MAX_ENTRIES", "MAX_UNPACKED_BYTES", "MAX_DIRECTORY_BYTES"])
def test_what_is_larger_than_a_limit_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_zip, limit, 3)

    error = refusal(put("all.zip", packed(*((f"{n}.png", b"xx") for n in range(5)))), uri=f"{HOME}all.zip")

    assert error.limit == (6 if limit == "MAX_DIRECTORY_BYTES" else 3)


def test_an_archive_that_was_overwritten_is_not_read_for_the_one_before() -> None:
    data = put("all.zip", packed(("a.png", b"x")))
    etag = data.etag(KEY)

    put("all.zip", packed(("b.png", b"x")), data)

    with pytest.raises(SourceChanged):
        read(data, uri=f"{HOME}all.zip", etag=etag)


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:40] + bytes([body[40] ^ 1]) + body[41:],
        lambda body: b"XX" + body[2:],
        lambda body: body[:8] + b"\x09\x00" + body[10:],
        lambda body: body[:45],
        lambda body: body[:20],
        lambda body: body[:26] + b"\xff\xff" + body[28:],
    ],
)
def test_a_member_that_is_no_longer_what_was_planned_is_never_given_out(damage, method: int) -> None:
    data = put("all.zip", packed(("a.png", bytes(range(100))), method=method))
    (item,) = read(data, uri=f"{HOME}all.zip")

    data.objects[KEY] = damage(data.objects[KEY])

    with pytest.raises((ChecksumMismatch, SourceGone)):
        fetch_item(data, item, max_bytes=1000)


def test_a_member_over_the_model_s_limit_is_not_even_read() -> None:
    data = put("all.zip", packed(("a.png", bytes(range(100)))))
    (item,) = read(data, uri=f"{HOME}all.zip")
    data.before_call = lambda _operation, _key: pytest.fail("was read")

    with pytest.raises(PayloadTooLarge) as error:
        fetch_item(data, item, max_bytes=99)

    assert (error.value.limit, error.value.got) == (99, 100)


def test_a_zip_runs_from_request_to_results_and_names_its_bad_pictures() -> None:
    world = ready()
    put("all.zip", packed(("dark.png", picture(0)), ("note.txt", b"hi"), ("deep/bright.png", picture(255))), world.data)

    world.dispatch(lane="cpu", input={"uri": f"{HOME}all.zip"})
    run_cpu(world)

    assert (job(world).state, job(world).done, job(world).failed) == (JobState.PARTIAL, 2, 1)
    (error,) = decode_lines(world.data.objects[f"jobs/{TENANT}/job-1/errors.jsonl"])
    assert (error["id"], error["line"], error["code"]) == ("note.txt", 2, "image_format_unsupported")
    assert "fake-bucket" not in json.dumps(error)
