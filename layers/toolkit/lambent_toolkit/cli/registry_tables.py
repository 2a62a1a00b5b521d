"""Tables of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lambent_toolkit.cli.tables import plain_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lambent.contracts.model import FileDigest
    from lambent.domain.model import Canary, LabelMove, LabelRecord, VersionRecord
    from lambent.services.collect_garbage import Garbage
    from lambent_toolkit.modelkit.version_diff import Difference, VersionDiff

_SECONDS = 19  # of an ISO 8601 timestamp
_MOST_SHOWN = 40
_UNBOUNDED = 10_000  # columns


def print_versions(console: Console, rows: Sequence[tuple[VersionRecord, list[LabelRecord]]]) -> None:
    """Print published versions as wide as they are: names and labels are typed again, so a screen may not cut them."""
    table = versions_table(rows)
    table.width = console.measure(table, options=console.options.update(max_width=_UNBOUNDED)).maximum
    console.print(table, crop=False)


def versions_table(rows: Sequence[tuple[VersionRecord, list[LabelRecord]]]) -> Table:
    """Return published versions, each with those of its model's labels that point to it, one a line."""
    table = plain_table("model", "version", "labels", "state", "published", "by", "manifest", right=(1,))
    for record, labels in rows:
        table.add_row(
            record.ref.name,
            str(record.ref.version),
            "\n".join(_labels_of(record.ref.version, labels)),
            _state(record),
            _time(record.created_at),
            record.by,
            record.manifest_sha256[:12],
        )
    return table


def _state(record: VersionRecord) -> str:
    by = record.retired.by if record.retired is not None else ""
    return f"{record.state} by {by}" if by else str(record.state)


def _labels_of(version: int, labels: list[LabelRecord]) -> list[str]:
    stable = [record.label for record in labels if record.version == version]
    canaries = [
        f"{record.label} (canary {record.canary.weight_percent:g}%)"
        for record in labels
        if record.canary is not None and record.canary.version == version
    ]
    return stable + canaries


def labels_table(records: Sequence[LabelRecord]) -> Table:
    """Return labels with their canaries and latest moves."""
    table = plain_table("label", "version", "canary", "revision", "moved", "by", "why", right=(1, 3))
    for record in records:
        table.add_row(
            record.label,
            str(record.version),
            _canary(record.canary),
            str(record.revision),
            _time(record.updated_at),
            record.by,
            record.why,
        )
    return table


def history_table(moves: Sequence[LabelMove]) -> Table:
    """Return a label's moves, the newest first."""
    table = plain_table("revision", "move", "version", "canary", "when", "by", "why", right=(0, 2))
    for move in reversed(moves):
        table.add_row(
            str(move.revision),
            move.action,
            str(move.version),
            _canary(move.canary),
            _time(move.change.at),
            move.change.by,
            move.change.why,
        )
    return table


def garbage_table(found: Sequence[Garbage]) -> Table:
    """Return what may be removed."""
    table = plain_table("model", "version", "because", "files", "size", right=(1, 3, 4))
    for each in found:
        size = f"{each.size_bytes / 1e6:.1f} MB"
        table.add_row(each.ref.name, str(each.ref.version), each.kind, str(len(each.objects)), size)
    return table


def print_diff(console: Console, found: VersionDiff) -> None:
    """Print what differs between two versions, a table for each kind."""
    if found.is_empty:
        console.print(f"{found.first} and {found.second} are the same but for number and time.")
    headings = (str(found.first), str(found.second))
    if found.files:
        table = plain_table("file", *headings)
        for name, (one, other) in found.files.items():
            table.add_row(name, _file(one), _file(other))
        console.print(table)
    for what, rows in (("contract", found.contract), ("report", found.report)):
        if rows:
            console.print("")
            console.print(_differences_table(what, headings, rows))


def _differences_table(what: str, headings: tuple[str, str], rows: list[Difference]) -> Table:
    table = plain_table(what, *headings, "change", right=(3,))
    for row in rows:
        table.add_row(row.path, _value(row.first), _value(row.second), _change(row.first, row.second))
    return table


def _change(first: Any, second: Any) -> str:
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (first, second))
    return f"{second - first:+.4g}" if are_numbers else ""


def _value(value: Any) -> str:
    text = "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _file(file: FileDigest | None) -> str:
    return "none" if file is None else f"{file.size_bytes / 1000:,.1f} kB  {file.sha256[:12]}"


def _canary(canary: Canary | None) -> str:
    return "" if canary is None else f"{canary.version} at {canary.weight_percent:g}%"


def _time(timestamp: str) -> str:
    return f"{timestamp[:_SECONDS].replace('T', ' ')}Z"
