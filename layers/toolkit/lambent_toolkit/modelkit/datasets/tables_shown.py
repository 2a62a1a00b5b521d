"""A data set's tables, for the page and the terminal alike."""

from __future__ import annotations

from lambent_toolkit.modelkit.datasets.checks import Checks, findings
from lambent_toolkit.modelkit.datasets.manifest import Kind, Record
from lambent_toolkit.modelkit.splitting import PARTS
from lambent_toolkit.reporting.page import Cell, Column, Marked, Table

ITEM_WORDS: dict[Kind, str] = {"image": "pictures", "text": "texts", "tabular": "rows"}
# A terminal's height; the page shows all.
TERMINAL_CLASSES = 30
TERMINAL_SUSPECTS = 5


def headline(record: Record) -> str:
    """Return a version in one line: how many items of how many classes, and how they were split."""
    counts, classes = record.counts, len(record.labels)
    of = f" of {classes} classes" if classes else " with a number each"
    parts = ", ".join(f"{part} {getattr(counts, part):,}" for part in PARTS)
    way = "the source's own parts" if record.has_own_split else _way(record)
    left = f"; {counts.left_out:,} left out" if counts.left_out else ""
    return f"{counts.total:,} {ITEM_WORDS[record.kind]}{of}: {parts}{left} ({way})"


def balance_table(checks: Checks, *, at_most: int | None = None) -> Table:
    """Return the classes by part; of more than ``at_most`` the largest."""
    classes = list(checks.classes)
    caption = f"{len(classes)} classes"
    if at_most is not None and len(classes) > at_most:
        classes = sorted(classes, key=lambda each: -each.total)[:at_most]
        caption = f"the largest {at_most} of {len(checks.classes)} classes"
    total = max(1, sum(each.total for each in checks.classes))
    columns = (Column("class"), *(Column(part, is_number=True) for part in PARTS), Column("share", is_number=True))
    rows = [
        [each.label, *(_count(getattr(each, part)) for part in PARTS), f"{each.total / total:.1%}"] for each in classes
    ]
    return Table(columns, rows, caption=caption)


def targets_table(checks: Checks) -> Table:
    """Return how the numbers to be predicted are spread, by part."""
    headings = ("items", "lowest", "mean", "median", "highest")
    rows = [
        [each.split, f"{each.count:,}", *(f"{value:,.6g}" for value in (each.low, each.mean, each.median, each.high))]
        for each in checks.targets
    ]
    return Table((Column("part"), *(Column(name, is_number=True) for name in headings)), rows, caption="target by part")


def findings_table(checks: Checks) -> Table:
    """Return what needs a look, marked by how much."""
    rows: list[list[Cell]] = [[Marked(each.text, each.tone)] for each in findings(checks)]
    return Table((Column("findings"),), rows)


def columns_table(checks: Checks) -> Table:
    """Return a table's columns."""
    rows = [
        [
            each.name,
            "numbers" if each.is_number else "words",
            f"{each.missing:,}",
            f"{each.distinct:,}",
            "" if each.low is None else f"{each.low:,.6g}",
            "" if each.high is None else f"{each.high:,.6g}",
        ]
        for each in checks.columns
    ]
    headings = (Column("column"), Column("holds"))
    numbers = ("empty cells", "different values", "lowest", "highest")
    return Table((*headings, *(Column(name, is_number=True) for name in numbers)), rows)


def suspects_table(checks: Checks, *, at_most: int | None = None) -> Table:
    """Return the labels that a simple model doubts, the most doubtful first; of pictures without the pictures."""
    listed = checks.suspects.listed[:at_most]
    has_excerpts = any(each.excerpt for each in listed)
    rows = [
        [
            each.id,
            *([each.excerpt] if has_excerpts else []),
            each.split,
            each.given,
            f"{each.given_confidence:.1%}",
            each.predicted,
            f"{each.predicted_confidence:.1%}",
        ]
        for each in listed
    ]
    columns = [Column("item"), *([Column("content")] if has_excerpts else []), Column("part")]
    columns += [Column("label"), Column("confidence", is_number=True)]
    columns += [Column("seems to be"), Column("confidence", is_number=True)]
    caption = "" if at_most is None else f"labels that look wrong, {len(listed)} of {checks.suspects.count}"
    return Table(columns, rows, caption=caption)


def _way(record: Record) -> str:
    stratified = "stratified, " if record.labels else ""
    return f"{stratified}seed {record.seed}"


def _count(number: int) -> Cell:
    return f"{number:,}" if number else Marked("0", "bad")
