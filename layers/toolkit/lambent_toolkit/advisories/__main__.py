"""Compare the locks with the record of advisories: python -m lambent_toolkit.advisories [look [...]]."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lambent_toolkit.advisories.osv import SERVICE, ask_service, read_folder
from lambent_toolkit.advisories.pins import CouldNotLookError, Pin, read_pins
from lambent_toolkit.advisories.record import RECORD, Finding, Look, Record, Source, problems, read_record, write_record

VULNERABLE, COULD_NOT_LOOK = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0: every pin was looked up, nothing is known; 1: something is; 3: nothing can be said."""
    told = _parser().parse_args(arguments)
    try:
        return _look(told) if told.verb == "look" else _check(told.root)
    except CouldNotLookError as exc:
        print(f"Could not look for vulnerable packages: {exc}", file=sys.stderr)
        return COULD_NOT_LOOK


def merged(record: Record, pins: Sequence[Pin], found: Mapping[tuple[str, str], list[Finding]], source: str) -> None:
    """Put what a look found into the record; findings that it had of the same packages stay."""
    packages = {}
    for name in sorted({pin.name for pin in pins}):
        versions = sorted({pin.version for pin in pins if pin.name == name})
        before = record.packages[name].findings if name in record.packages else []
        known = {each.id: each for each in [*before, *(one for at in versions for one in found[name, at])]}
        packages[name] = Look(versions, source, sorted(known.values(), key=lambda each: each.id))
    record.packages = packages
    record.sources = {name: each for name, each in record.sources.items() if name == source}


def _check(root: Path) -> int:
    record, pins = read_record(root / RECORD), read_pins(root)
    against = problems(pins, record)
    for each in against:
        print(each, file=sys.stderr)
    oldest = min(record.sources.values(), key=lambda each: each.dated)
    print(
        f"{len({(pin.name, pin.version) for pin in pins})} packages of {len({pin.lock for pin in pins})} locks: "
        f"{len(against)} problems, {sum(len(each.ids) for each in record.accepted)} findings accepted with a reason; "
        f"the oldest source is of {oldest.dated}: {oldest.what}"
    )
    return VULNERABLE if against else 0


def _look(told: argparse.Namespace) -> int:
    pins, path = read_pins(told.root), told.root / RECORD
    record = read_record(path)
    found = read_folder(pins, told.folder) if told.folder else ask_service(pins, told.service)
    record.sources[told.name] = Source(told.dated, told.what or f"asked {told.service} for every pin")
    merged(record, pins, found, told.name)
    write_record(path, record)
    return _check(told.root)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lambent_toolkit.advisories", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the repository")
    look = parser.add_subparsers(dest="verb").add_parser("look", help="look every pin up, and write the record anew")
    look.add_argument("--service", default=SERVICE, help="the service to ask, as OSV speaks")
    look.add_argument("--folder", type=Path, help="a folder of advisories (OSV's form, *.json) instead")
    look.add_argument("--name", default="osv", help="how the record calls the source")
    look.add_argument("--what", help="what the source is, for the record")
    today = datetime.datetime.now(datetime.UTC).date()
    look.add_argument("--dated", type=datetime.date.fromisoformat, default=today, help="how old the source is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
