"""Where the processes of a running stack listen, as the kernel tells it: no server can be forgotten."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

LISTENING = "0A"


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports on which a process or one that it started listens."""
    sockets = {f"socket:[{inode}]": port for inode, port in _listening_sockets()}
    found = set()
    for each in [pid, *_descendants(pid)]:
        with suppress(OSError):  # it ended meanwhile
            links = [str(link.readlink()) for link in Path(f"/proc/{each}/fd").iterdir()]
            found |= {sockets[link] for link in links if link in sockets}
    return found


def _listening_sockets() -> list[tuple[str, int]]:
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    return [(line[9], int(line[1].rpartition(":")[2], 16)) for line in lines if line[3] == LISTENING]


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found, wave = [], [pid]
    while wave:
        wave = [child for child, parent in parents.items() if parent in wave]
        found += wave
    return found
