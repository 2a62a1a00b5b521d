"""What somebody found out about the packages of the locks, and when: tests/contract/advisories.json."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from packaging.version import InvalidVersion, Version

from lambent_toolkit.advisories.pins import CouldNotLookError, Pin

RECORD = "tests/contract/advisories.json"
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One advisory: of versions from ``introduced`` until before ``fixed`` (None: no release mends it); told where."""

    id: _Text
    fixed: str | None
    introduced: str = "0"
    told: str = ""

    def hits(self, version: str) -> bool:
        """Tell whether it speaks of this version."""
        ours = Version(version)
        return Version(self.introduced) <= ours and (self.fixed is None or ours < Version(self.fixed))


class Look(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a source told of the versions of a package that were asked for."""

    versions: list[_Text]
    source: _Text
    findings: list[Finding] = []


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Findings that a pin is kept in spite of, since when, and why."""

    package: _Text
    version: _Text
    ids: list[_Text]
    since: datetime.date
    reason: Annotated[str, msgspec.Meta(min_length=40)]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where was looked, and how old what was read there is."""

    dated: datetime.date
    what: _Text


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    sources: dict[str, Source]
    packages: dict[str, Look]
    accepted: list[Accepted]


def read_record(path: Path) -> Record:
    """Return the record; raises CouldNotLookError for a file that is missing or does not say what it must."""
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError) as exc:
        told = exc.strerror if isinstance(exc, OSError) else exc
        raise CouldNotLookError(f"{RECORD} cannot be read: {told}.") from exc
    _check_record(record)
    return record


def write_record(path: Path, record: Record) -> None:
    """Write it as it is committed: a package a block, in order of names."""
    record.packages = dict(sorted(record.packages.items()))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def problems(pins: Iterable[Pin], record: Record) -> list[str]:
    """Return what speaks against the locks, one sentence each: pins nobody looked at, and known findings."""
    pins = list(pins)
    accepted = {(each.package, each.version, found) for each in record.accepted for found in each.ids}
    unlooked = [_unlooked(pin) for pin in pins if not _is_looked_at(pin, record)]
    hits = [(pin, found) for pin in pins for found in _findings(pin, record)]
    known = [_known(pin, found) for pin, found in hits if (pin.name, pin.version, found.id) not in accepted]
    idle = accepted - {(pin.name, pin.version, found.id) for pin, found in hits}
    return unlooked + known + [_idle(*each) for each in sorted(idle)]


def _check_record(record: Record) -> None:
    for name, look in record.packages.items():
        if look.source not in record.sources:
            raise CouldNotLookError(f"{RECORD}: {name} was looked up in {look.source!r}, which is none of its sources.")
        try:
            [Version(bound) for found in look.findings for bound in (found.introduced, found.fixed or "0")]
        except InvalidVersion as exc:
            raise CouldNotLookError(f"{RECORD}: a finding of {name} has a bound that is no version: {exc}.") from exc


def _is_looked_at(pin: Pin, record: Record) -> bool:
    return pin.name in record.packages and pin.version in record.packages[pin.name].versions


def _findings(pin: Pin, record: Record) -> Sequence[Finding]:
    look = record.packages.get(pin.name)
    return [found for found in look.findings if found.hits(pin.version)] if look else []


def _unlooked(pin: Pin) -> str:
    return (
        f"{pin.lock}: {pin.name} {pin.version} was looked up nowhere, so nothing is known of it; run `make advisories`."
    )


def _known(pin: Pin, found: Finding) -> str:
    mended = f"mended in {found.fixed}" if found.fixed else "not mended in any release"
    return f"{pin.lock}: {pin.name} {pin.version} has {found.id}, {mended}; raise it, or say why not in {RECORD}."


def _idle(package: str, version: str, found: str) -> str:
    return f"{RECORD}: {found} is accepted for {package} {version}, which no lock has or it does not hit; take it out."
