"""Make a version of a data set: list, read, split, check, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from lambent_toolkit.modelkit.datasets.candidates import Problem, Source, SourceOptions
from lambent_toolkit.modelkit.datasets.checking import Examination, check, find_pairs
from lambent_toolkit.modelkit.datasets.checks import Checks
from lambent_toolkit.modelkit.datasets.examination import Examined, examine
from lambent_toolkit.modelkit.datasets.grouping import Assignment, Shares, groups_of, keep_split, split_groups
from lambent_toolkit.modelkit.datasets.manifest import (
    CHECKS_FILE,
    ITEMS_FILE,
    MANIFEST_FILE,
    RECORD_FILE,
    REPORT_FILE,
    Counts,
    Entry,
    Record,
    decode_stored,
    digest,
    encode_manifest,
)
from lambent_toolkit.modelkit.datasets.report_page import report_page
from lambent_toolkit.modelkit.datasets.sources import open_source
from lambent_toolkit.modelkit.datasets.store import DATA_DIR, DataStore, Stored, check_data_name
from lambent_toolkit.modelkit.errors import DataUnusable, ItemsUnreadable
from lambent_toolkit.modelkit.splitting import PARTS
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

NearDuplicates = Literal["report", "together", "ignore"]
_NAMED_PROBLEMS = 20
_NAMED_CLASSES = 5


@dataclass(frozen=True)
class AddOptions:
    """How a data set is made.

    Parameters
    ----------
    near_duplicates   report them, keep them ``together`` in one part, or do not look for them
    skip_unreadable   leave out what cannot be read, instead of refusing the whole source
    """

    source: SourceOptions
    shares: Shares
    near_duplicates: NearDuplicates = "report"
    skip_unreadable: bool = False


@dataclass(frozen=True)
class Added:
    """A version in the store; ``is_new`` unless the newest one was the same already."""

    stored: Stored
    checks: Checks
    is_new: bool


def add_data_set(
    name: str,
    address: str,
    options: AddOptions,
    *,
    store: Path = DATA_DIR,
    watcher: Watcher = SILENCE,
    s3: Any = None,
) -> Added:
    """Add what lies at ``address`` as the data set ``name``, or as its next version if that is something else.

    Parameters
    ----------
    address   folder, table or ``s3://`` address; see `sources.open_source`
    store     folder of data sets
    s3        boto3 client; None makes one from the SDK's own settings

    Raises
    ------
    SourceUnusable, SourceUnavailable
    ItemsUnreadable     and they are not to be skipped
    DataUnusable        there is nothing to learn from, or it cannot be split
    SettingInvalid      the shares leave nothing to train on
    FolderNotWritable   the disk is full: nothing was added
    """
    files = DataStore(store)
    source = open_source(address, options.source, s3=s3)
    data, problems = _examined(check_data_name(name), source, options, watcher)
    assignment = _assign(source, data, options)
    manifest = encode_manifest(_entries(data, assignment, source))
    watcher.advance()
    newest = files.find(name) if files.versions(name) else None
    if newest is not None and _is_same(newest, manifest, source):
        return Added(newest, load_checks(newest), is_new=False)
    watcher.begin("checking", total=2)
    notes = [*source.notes, *_without_effect(source, options)]
    checks = check(data, assignment, problems=problems, notes=notes, seed=options.shares.seed)
    watcher.advance()

    def make(version: int, now_newest: Stored | None) -> dict[str, bytes] | None:
        # Another command may have added the same since.
        if now_newest is not None and _is_same(now_newest, manifest, source):
            return None
        items = _rows(source.kind, data)
        record = _record(name, version, source, options, labels=data.labels, counts=_counts(assignment))
        record = msgspec.structs.replace(
            record, manifest_sha256=digest(manifest), items_sha256=None if items is None else digest(items)
        )
        page = report_page(record, checks, data, source.origin, options.source.limits)
        files = {MANIFEST_FILE: manifest, RECORD_FILE: _json(record), CHECKS_FILE: _json(checks)}
        return files | {REPORT_FILE: page.encode()} | ({} if items is None else {ITEMS_FILE: items})

    stored, is_new = files.publish(name, make)
    watcher.advance()
    return Added(stored, checks if is_new else load_checks(stored), is_new)


def load_checks(stored: Stored) -> Checks:
    """Return what was found when a version was added; raises DataSetDamaged."""
    path = stored.folder / CHECKS_FILE
    return decode_stored(path.read_bytes(), Checks, where=str(path))


def _examined(name: str, source: Source, options: AddOptions, watcher: Watcher) -> tuple[Examination, list[Problem]]:
    items, unreadable = examine(source, options.source.limits, watcher)
    problems = [*source.problems, *unreadable]
    if problems and not options.skip_unreadable:
        raise ItemsUnreadable(_told(name, source, problems))
    if not items:
        raise DataUnusable(f"{source.address} holds no item that can be read: there is nothing to learn from.")
    labels = () if source.is_regression else _ordered({item.candidate.label or "" for item in items})
    if len(labels) == 1:
        raise DataUnusable(
            f"All {len(items)} items of {source.address} are of one class ({labels[0]}): a classifier needs two at "
            "least."
        )
    watcher.begin("splitting", total=1)
    pairs = [] if options.near_duplicates == "ignore" else find_pairs(items, source.kind)
    together = pairs if options.near_duplicates == "together" and not source.has_own_split else []
    groups = groups_of([item.sha256 for item in items], together)
    return Examination(source.kind, items, labels, _targets(items, labels), groups, pairs), problems


def _told(name: str, source: Source, problems: Sequence[Problem]) -> str:
    named = "\n".join(f"  {each.where}: {each.reason} ({each.code})" for each in problems[:_NAMED_PROBLEMS])
    more = f"\n  … and {len(problems) - _NAMED_PROBLEMS} more" if len(problems) > _NAMED_PROBLEMS else ""
    of = len(source.candidates) + len(source.problems)
    return (
        f"{len(problems)} of {of} items of {source.address} cannot be used, so nothing was added as {name}:\n"
        f"{named}{more}\nMend or remove them, or leave them out by --skip-unreadable."
    )


def _ordered(labels: set[str]) -> tuple[str, ...]:
    """Return labels sorted, whole numbers by their size."""
    is_numeric = all(label.isascii() and label.isdecimal() for label in labels)
    return tuple(sorted(labels, key=lambda label: (int(label) if is_numeric else 0, label)))


def _targets(items: Sequence[Examined], labels: tuple[str, ...]) -> Any:
    if not labels:
        return np.array([item.candidate.target for item in items], dtype=np.float64)
    numbers = {label: number for number, label in enumerate(labels)}
    return np.array([numbers[item.candidate.label or ""] for item in items], dtype=np.int64)


def _assign(source: Source, data: Examination, options: AddOptions) -> Assignment:
    if source.has_own_split:
        own = [item.candidate.split for item in data.items]
        return keep_split(own, data.targets, data.groups, options.shares)
    if data.labels:
        _check_sizes(data)
    return split_groups(data.targets, data.groups, options.shares)


def _check_sizes(data: Examination) -> None:
    """Raise DataUnusable where a class has too few different items; by its name, where `split_rows` has its number."""
    _, firsts = np.unique(data.groups, return_index=True)
    counts = np.bincount(data.targets[firsts], minlength=len(data.labels))
    small = [f"{label} ({count})" for label, count in zip(data.labels, counts, strict=True) if count < len(PARTS)]
    if small:
        more = f" and {len(small) - _NAMED_CLASSES} more" if len(small) > _NAMED_CLASSES else ""
        hint = " Are the labels numbers to be predicted? Then use --target." if data.kind == "tabular" else ""
        raise DataUnusable(
            f"Each class needs {len(PARTS)} different items at least, one for each part. Too small: "
            f"{', '.join(small[:_NAMED_CLASSES])}{more}. Add items, or leave these classes out.{hint}"
        )


def _entries(data: Examination, assignment: Assignment, source: Source) -> list[Entry]:
    kept_in = {leak.left_out: leak.kept_in for leak in assignment.leaks}
    firsts: dict[str, str] = {}
    entries = []
    for row, (item, part) in enumerate(zip(data.items, assignment.parts, strict=True)):
        candidate = item.candidate
        first = firsts.setdefault(item.sha256, candidate.id)
        entries.append(
            Entry(
                id=candidate.id,
                sha256=item.sha256,
                size_bytes=item.size_bytes,
                split=part,
                path=candidate.path,
                label=None if source.is_regression else candidate.label,
                target=candidate.target,
                slices=dict(candidate.slices),
                duplicate_of=None if first == candidate.id else first,
                left_out=f"copy of an item in the {kept_in[row]} part" if row in kept_in else None,
            )
        )
    return entries


def _rows(kind: str, data: Examination) -> bytes | None:
    """Return items.jsonl, or None where the items stay in the source."""
    if all(item.candidate.body is None for item in data.items):
        return None
    if kind == "text":
        return b"".join(msgspec.json.encode((item.candidate.body or b"").decode()) + b"\n" for item in data.items)
    return b"".join((item.candidate.body or b"") + b"\n" for item in data.items)


def _without_effect(source: Source, options: AddOptions) -> list[str]:
    if source.has_own_split and options.near_duplicates == "together":
        return ["Near duplicates stay in the parts that the source has them in: those parts are not changed."]
    return []


def _record(
    name: str, version: int, source: Source, options: AddOptions, *, labels: tuple[str, ...], counts: Counts
) -> Record:
    """Return dataset.json but for the digests."""
    return Record(
        name=name,
        version=version,
        kind=source.kind,
        labels=labels,
        source=source.address,
        has_own_split=source.has_own_split,
        seed=options.shares.seed,
        validation_share=options.shares.validation,
        test_share=options.shares.test,
        counts=counts,
        slices=options.source.slices,
        manifest_sha256="",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _json(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def _counts(assignment: Assignment) -> Counts:
    parts = assignment.parts
    return Counts(**{part: parts.count(part) for part in PARTS}, left_out=parts.count(None))


def _is_same(newest: Stored, manifest: bytes, source: Source) -> bool:
    record = newest.record
    return record.manifest_sha256 == digest(manifest) and (record.kind, record.source) == (source.kind, source.address)
