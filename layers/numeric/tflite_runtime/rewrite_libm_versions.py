"""Let tflite-runtime ask libm for functions of the version that Amazon Linux 2 has; run by layer.mk.

The wheel says manylinux2014 and asks for ``exp``, ``log`` and ``pow`` of GLIBC_2.29 and their float32 sisters of
GLIBC_2.27, where python3.11 on Lambda has glibc 2.26. These versions differ from the first, GLIBC_2.2.5, in how they
report errors (``errno`` and ``_LIB_VERSION``) and not in what they compute, and every glibc for x86-64 carries the
first one. So the two entries of the library's version needs are made entries of GLIBC_2.2.5. Nothing else is changed:
offsets, symbols and code stay as they are.

Method: the GNU extension of ELF, section ``.gnu.version_r`` (Linux Standard Base, "Symbol Versioning"). Only the
standard library is used, since the Python that builds a layer has no packages.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIBRARY = "tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so"
NEEDED_FROM = "libm.so.6"
TOO_NEW = ("GLIBC_2.27", "GLIBC_2.29")
FIRST = "GLIBC_2.2.5"

_HEADER = struct.Struct("<4sBB10xHHIQQQIHHHHHH")  # Elf64_Ehdr, little-endian
_SECTION = struct.Struct("<IIQQQQIIQQ")  # Elf64_Shdr
_NEED = struct.Struct("<HHIII")  # Elf64_Verneed: version, count, file, offset of its entries, of the next one
_ENTRY = struct.Struct("<IHHII")  # Elf64_Vernaux: hash, flags, index, name, offset of the next one
_MAGIC, _CLASS_64, _LITTLE_ENDIAN = b"\x7fELF", 2, 1
_VERSION_NEEDS = 0x6FFFFFFE  # SHT_GNU_verneed


class NotAsExpected(Exception):
    """The file is not the library that this program was written for."""


class _Version(NamedTuple):
    """One entry of the version needs: where it stands, the name, and the two fields that say it."""

    position: int
    name: str
    hash: int
    name_offset: int


def rewrite(library: bytes) -> bytes:
    """Return a library that needs the first version of what it needed from libm in a newer one.

    Parameters
    ----------
    library : bytes   an ELF file, 64 bits, little-endian

    Raises
    ------
    NotAsExpected   it is none, or does not need from libm the first version and each of the newer ones
    """
    versions = {version.name: version for version in _versions_needed(library)}
    if missing := [name for name in (FIRST, *TOO_NEW) if name not in versions]:
        raise NotAsExpected(f"it does not need {', '.join(missing)} of {NEEDED_FROM}, but {sorted(versions)}")
    first, changed = versions[FIRST], bytearray(library)
    for name in TOO_NEW:
        at = versions[name].position
        _, flags, index, _, following = _ENTRY.unpack_from(library, at)
        _ENTRY.pack_into(changed, at, first.hash, flags, index, first.name_offset, following)
    return bytes(changed)


def _versions_needed(library: bytes) -> Iterator[_Version]:
    """Yield the entries of the one library that is looked for."""
    at, names = _find_needs(library)
    while True:
        _, count, file, entries, following = _NEED.unpack_from(library, at)
        if _text(library, names + file) == NEEDED_FROM:
            yield from _entries(library, at + entries, count, names)
        if not following:
            return
        at += following


def _entries(library: bytes, at: int, count: int, names: int) -> Iterator[_Version]:
    for _ in range(count):
        hash_, _, _, name, following = _ENTRY.unpack_from(library, at)
        yield _Version(at, _text(library, names + name), hash_, name)
        at += following


def _find_needs(library: bytes) -> tuple[int, int]:
    """Return where the version needs stand in the file, and their names."""
    if len(library) < _HEADER.size:
        raise NotAsExpected("it is too short")
    magic, bits, order, *_, table, _, _, _, _, size, count, _ = _HEADER.unpack_from(library)
    if (magic, bits, order, size) != (_MAGIC, _CLASS_64, _LITTLE_ENDIAN, _SECTION.size):
        raise NotAsExpected("it is no ELF file of 64 bits, little-endian")
    sections = [_SECTION.unpack_from(library, table + number * size) for number in range(count)]
    for _, kind, _, _, offset, _, link, *_ in sections:
        if kind == _VERSION_NEEDS:
            return offset, sections[link][4]
    raise NotAsExpected("it needs no versions")


def _text(library: bytes, at: int) -> str:
    return library[at : library.index(0, at)].decode()


def main() -> None:
    """Rewrite the library in the folder of packages that the command line names."""
    path = Path(sys.argv[1]) / LIBRARY
    try:
        path.write_bytes(rewrite(path.read_bytes()))
    except NotAsExpected as exc:
        sys.exit(f"{LIBRARY}: {exc}. Look anew at what it needs of Lambda's glibc before it is shipped.")


if __name__ == "__main__":
    main()
