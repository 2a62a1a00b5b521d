"""One log file per function: its own output between the lines that AWS writes around an invocation."""

from __future__ import annotations

import os
from pathlib import Path

from lambent_toolkit.sandbox.invocation import Invocation
from lambent_toolkit.sandbox.private_files import FILE_MODE


class FunctionLog:
    """Appends to a function's log file; the function's processes write to the same descriptor."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    def line(self, text: str) -> None:
        """Write one line at once, so that lines of several processes do not mix."""
        os.write(self.fd, f"{text}\n".encode())

    def start(self, invocation: Invocation) -> None:
        """Say that an invocation begins."""
        self.line(f"START RequestId: {invocation.request_id} Version: $LATEST")

    def end(
        self, invocation: Invocation, *, duration_ms: float, memory_mib: int, used_mib: int, init_ms: float | None
    ) -> None:
        """Say that an invocation ended, with its figures; `init_ms` only for the first of an environment."""
        report = (
            f"REPORT RequestId: {invocation.request_id}\tDuration: {duration_ms:.2f} ms\t"
            f"Memory Size: {memory_mib} MB\tMax Memory Used: {used_mib} MB"
        )
        if init_ms is not None:
            report += f"\tInit Duration: {init_ms:.2f} ms"
        self.line(f"END RequestId: {invocation.request_id}\n{report}")

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


def peak_memory_mib(pid: int) -> int:
    """Return the largest resident size that process `pid` had, or 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, _, rest = status.partition("VmHWM:")
    return int(rest.split()[0]) // 1024 if rest else 0
