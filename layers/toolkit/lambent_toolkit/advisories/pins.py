"""What the locks of this repository pin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# Where locks lie; deeper in tests there are fixtures that no one installs.
LOCKS = (
    "requirements*.txt",
    "layers/**/*requirements*.txt",
    "functions/**/*requirements*.txt",
    "tests/*/requirements*.txt",
)


class CouldNotLookError(Exception):
    """Nothing can be said of what is locked: a lock, the record or the source of advisories could not be read."""


@dataclass(frozen=True, order=True)
class Pin:
    """One package in one version, as a lock names it."""

    name: str
    version: str
    lock: str


def read_pins(root: Path) -> list[Pin]:
    """Return what all locks under ``root`` pin.

    Raises
    ------
    CouldNotLookError  there is no lock, or one is unreadable, empty, or has a line that pins no version
    """
    locks = sorted({path for pattern in LOCKS for path in root.glob(pattern)})
    if not locks:
        raise CouldNotLookError(f"No lock is here: {', '.join(LOCKS)}; run this from the repository's root.")
    return sorted(pin for lock in locks for pin in _pins_of(lock, lock.relative_to(root).as_posix()))


def _pins_of(lock: Path, name: str) -> list[Pin]:
    try:
        lines = lock.read_text().replace("\\\n", " ").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise CouldNotLookError(f"{name} cannot be read.") from exc
    pins = [_pin_of(line, name) for line in lines if line.strip() and not line.strip().startswith("#")]
    if not pins:
        raise CouldNotLookError(f"{name} pins nothing.")
    return pins


def _pin_of(line: str, lock: str) -> Pin:
    told = line.partition("--hash")[0].strip()
    try:
        needed = Requirement(told)
    except InvalidRequirement as exc:
        raise CouldNotLookError(f"{lock} has a line that is no requirement: {told[:80]!r}.") from exc
    only = list(needed.specifier)
    if needed.url or len(only) != 1 or only[0].operator != "==" or only[0].version.endswith(".*"):
        raise CouldNotLookError(f"{lock} names {needed.name} without one version of it: {told[:80]!r}.")
    return Pin(canonicalize_name(needed.name), only[0].version, lock)
