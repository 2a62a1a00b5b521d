"""A table as a source: which of its columns are the item, the label, the part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import PurePosixPath
from typing import Any

import msgspec

from lambent.contracts.csv_lines import NUMBER
from lambent.errors import InvalidInput, SourceGone
from lambent_toolkit.modelkit.datasets.candidates import (
    CONTROL_CHARACTERS,
    PART_NAMES,
    Candidate,
    Problem,
    Source,
    SourceOptions,
)
from lambent_toolkit.modelkit.datasets.manifest import Kind
from lambent_toolkit.modelkit.datasets.origins import MAX_ITEMS, Origin
from lambent_toolkit.modelkit.datasets.tables import (
    MAX_TABLE_BYTES,
    ParsedTable,
    Row,
    check_columns,
    not_finite,
    parse_csv,
    parse_json_lines,
    typed_columns,
)
from lambent_toolkit.modelkit.errors import DataUnusable, SourceUnusable

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = frozenset({".jsonl", ".ndjson"})
TABLE_SUFFIXES = frozenset(SEPARATORS) | JSON_LINES


class _BadRow(Exception):
    """Carries the problem of a row."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def read_table(origin: Origin, name: str, options: SourceOptions) -> Source:
    """Read the table ``name`` of a folder or prefix.

    Raises
    ------
    SourceUnusable      there is no such file, it is no table, or has not the columns that were named
    DataUnusable        it is empty
    SourceUnavailable
    """
    where = f"{origin.address}/{name}"
    try:
        body = origin.read(name, max_bytes=MAX_TABLE_BYTES)
    except (SourceGone, InvalidInput) as error:
        raise SourceUnusable(f"{where}: {error.detail}") from error
    is_csv = PurePosixPath(name).suffix.lower() in SEPARATORS
    table = _parse(body, PurePosixPath(name).suffix.lower(), options, where=where)
    if len(table.rows) > MAX_ITEMS:
        raise SourceUnusable(f"{where} has {len(table.rows):,} rows, a data set takes at most {MAX_ITEMS:,}.")
    if not table.rows:
        if not table.problems:
            raise DataUnusable(f"{where} holds no rows: there is nothing to learn from.")
        return Source(options.kind or "tabular", origin, where, [], table.problems, [])
    chosen = _choose(table, options, where=where)
    notes: list[str] = []
    if chosen.kind == "tabular" and is_csv:
        # Labels and parts are words, whatever they look like.
        words = {chosen.label, chosen.split, *chosen.leave_out}
        table, notes = typed_columns(table, [column for column in table.columns if column not in words])
    return _source(origin, where, table, chosen, notes)


def _parse(body: bytes, suffix: str, options: SourceOptions, *, where: str) -> ParsedTable:
    if suffix in JSON_LINES:
        if options.separator:
            raise SourceUnusable("--separator is for CSV, the source is JSON Lines.")
        return parse_json_lines(body)
    separator = options.separator or SEPARATORS[suffix]
    if len(separator) != 1:
        raise SourceUnusable(f"--separator is one character, not {separator!r}.")
    return parse_csv(body, separator=separator, where=where)


def _choose(table: ParsedTable, options: SourceOptions, *, where: str) -> SourceOptions:
    """Return the options with every column and the kind decided."""
    if options.label and options.target:
        raise SourceUnusable("Either --label (classes) or --target (numbers), not both.")
    named = (options.label, options.target, options.text, options.image, options.split)
    check_columns([*filter(None, named), *options.slices, *options.leave_out], table.columns, where=where)
    label = options.label
    if label is None and options.target is None:
        if "label" not in table.columns:
            known = ", ".join(table.columns[:20])
            raise SourceUnusable(
                f"Which column of {where} is the label? Name it by --label, or --target. It has: {known}."
            )
        label = "label"
    kind = options.kind or _guess_kind(table, options)
    text = (options.text or _only(table, "text", kind, where)) if kind == "text" else None
    image = (options.image or _only(table, "image", kind, where)) if kind == "image" else None
    return replace(options, kind=kind, label=label, text=text, image=image, split=options.split or _own_split(table))


def _guess_kind(table: ParsedTable, options: SourceOptions) -> Kind:
    if options.image:
        return "image"
    return "text" if options.text or "text" in table.columns else "tabular"


def _only(table: ParsedTable, column: str, kind: Kind, where: str) -> str:
    check_columns([column], table.columns, where=f"--{kind} names no column, and {where}")
    return column


def _own_split(table: ParsedTable) -> str | None:
    values = {row.cells.get("split") for row in table.rows}
    is_split = bool(values) and all(isinstance(value, str) and value.strip().lower() in PART_NAMES for value in values)
    return "split" if is_split else None


def _source(origin: Origin, where: str, table: ParsedTable, chosen: SourceOptions, notes: list[str]) -> Source:
    take = _taker(chosen)
    candidates: list[Candidate] = []
    problems = list(table.problems)
    for row in table.rows:
        try:
            candidates.append(take(row))
        except _BadRow as bad:
            problems.append(Problem(row.where, bad.code, bad.reason))
    problems.sort(key=lambda problem: int(problem.where.removeprefix("line ")))
    kind = chosen.kind or "tabular"
    answer = f"label: {chosen.label}" if chosen.label else f"target: {chosen.target}"
    taken = f"{kind}: {chosen.text or chosen.image}; " if kind != "tabular" else ""
    own = f"; parts: {chosen.split}" if chosen.split else ""
    notes = [f"Columns: {taken}{answer}{own}.", *notes]
    address = origin.address if kind == "image" else where
    return Source(kind, origin, address, candidates, problems, notes, is_regression=chosen.target is not None)


def _taker(chosen: SourceOptions) -> Callable[[Row], Candidate]:
    apart = {chosen.label, chosen.target, chosen.split, *chosen.leave_out}

    def take(row: Row) -> Candidate:
        path, body = None, None
        if chosen.image:
            path = _path(row, chosen.image)
        elif chosen.text:
            body = _text(row, chosen.text)
        else:
            body = _row_body(row, {name: cell for name, cell in row.cells.items() if name not in apart})
        return Candidate(
            id=f"line-{row.line}",
            path=path,
            body=body,
            label=_word(row, chosen.label, "label_missing") if chosen.label else None,
            target=_target(row, chosen.target) if chosen.target else None,
            split=PART_NAMES[_part(row, chosen.split)] if chosen.split else None,
            slices={name: _shown(row.cells.get(name)) for name in chosen.slices},
        )

    return take


def _path(row: Row, column: str) -> str:
    path = PurePosixPath(_word(row, column, "path_missing"))
    if path.is_absolute() or ".." in path.parts:
        raise _BadRow(
            "path_invalid", f"Column {column} must hold a path below the table's folder, not {str(path)[:80]!r}."
        )
    return str(path)


def _text(row: Row, column: str) -> bytes:
    value = row.cells.get(column)
    if value is None:
        raise _BadRow("text_invalid", "The text is empty.")
    if not isinstance(value, str):
        raise _BadRow("text_invalid", f"Column {column} must hold a text, not {type(value).__name__}.")
    return value.encode("utf-8", "surrogatepass")


def _row_body(row: Row, cells: dict[str, Any]) -> bytes:
    for name, value in cells.items():
        if isinstance(value, bool) or not (value is None or isinstance(value, str | int | float)):
            kind = {bool: "a truth value", list: "a list", dict: "an object"}.get(type(value), type(value).__name__)
            raise _BadRow(
                "column_invalid", f"Column {name} holds {kind}; models take numbers and words. --leave-out {name}?"
            )
        if isinstance(value, float) and not isfinite(value):
            problem = not_finite(row, name, value)
            raise _BadRow(problem.code, problem.reason)
    return msgspec.json.encode(cells)


def _word(row: Row, column: str, code: str) -> str:
    value = row.cells.get(column)
    word = _shown(value).strip()
    if not word:
        raise _BadRow(code, f"Column {column} is empty.")
    if CONTROL_CHARACTERS.search(word):
        raise _BadRow("name_invalid", f"Column {column} has control characters: {word[:80]!r}.")
    return word


def _part(row: Row, column: str) -> str:
    part = _word(row, column, "split_missing").lower()
    if part not in PART_NAMES:
        raise _BadRow(
            "split_invalid", f"Column {column} holds {part[:40]!r}, which is none of {', '.join(PART_NAMES)}."
        )
    return part


def _target(row: Row, column: str) -> float:
    value = row.cells.get(column)
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = float(value)
    if value is None:
        raise _BadRow("target_missing", f"Column {column} is empty.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _BadRow("target_invalid", f"Column {column} must hold a finite number, not {_shown(value)[:40]!r}.")
    return float(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
