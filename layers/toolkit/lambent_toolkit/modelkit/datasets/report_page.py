"""report.html of a data set: what is in it, how it was split, and what needs a look."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lambent.contracts.model import Limits
from lambent_toolkit.modelkit.datasets.checking import Examination
from lambent_toolkit.modelkit.datasets.checks import Checks, Duplicates, findings
from lambent_toolkit.modelkit.datasets.examination import Examined
from lambent_toolkit.modelkit.datasets.manifest import Record
from lambent_toolkit.modelkit.datasets.origins import Origin
from lambent_toolkit.modelkit.datasets.tables_shown import (
    ITEM_WORDS,
    balance_table,
    columns_table,
    headline,
    suspects_table,
    targets_table,
)
from lambent_toolkit.modelkit.datasets.thumbnails import thumbnailer
from lambent_toolkit.modelkit.splitting import PARTS
from lambent_toolkit.reporting.page import (
    Block,
    Cell,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Marked,
    Notice,
    Page,
    Prose,
    Section,
    Table,
    Thumbnail,
    render_page,
)
from lambent_toolkit.reporting.plots import grouped_bar_chart, histogram

# More bars than these cannot be told apart; the table below has all classes.
_MAX_BARS = 24
_COPIES = 12

Show = Callable[[str], list[Cell]]


def report_page(record: Record, checks: Checks, data: Examination, origin: Origin, limits: Limits) -> str:
    """Return report.html; reads the pictures that it shows from the source.

    Raises
    ------
    ItemChanged         one of them has changed since it was examined
    SourceUnavailable
    """
    show = _shower(data, origin, limits)
    sections = [
        Section("In short", _in_short(record, checks)),
        Section("Classes" if record.labels else "Targets", _answers(checks, data)),
        *_sizes(data),
        *([Section("Columns", (columns_table(checks),))] if checks.columns else []),
        *([Section("Labels that look wrong", _doubted(checks, show))] if record.labels else []),
        *_near(checks, show),
        *_copies(checks, show),
        *_left_out(checks),
        Section("Origin", _origin(record, checks), is_folded=True),
    ]
    return render_page(Page(f"Data set {record.full_name}", headline(record), sections))


def _shower(data: Examination, origin: Origin, limits: Limits) -> Show:
    """Return what gives an item's cell with its picture; no cell where items are no pictures."""
    if data.kind != "image":
        return lambda _id: []
    by_id: dict[str, Examined] = {item.candidate.id: item for item in data.items}
    thumbnail = thumbnailer(origin, limits)
    made: dict[str, Thumbnail] = {}

    def show(item_id: str) -> list[Cell]:
        if item_id not in made:
            made[item_id] = thumbnail(by_id[item_id])
        return [made[item_id]]

    return show


def _in_short(record: Record, checks: Checks) -> Sequence[Block]:
    counts = record.counts
    figures = [KeyFigure(ITEM_WORDS[record.kind], f"{counts.total:,}", f"{counts.left_out:,} left out")]
    figures += [
        KeyFigure(part, f"{getattr(counts, part):,}", f"{getattr(counts, part) / counts.total:.1%}") for part in PARTS
    ]
    if record.labels:
        figures.append(KeyFigure("classes", str(len(record.labels)), f"largest is {checks.imbalance:.1f} x smallest"))
    figures.append(KeyFigure("copies", f"{checks.duplicate_items:,}", "of other items"))
    notices = [Notice(each.text, each.tone) for each in findings(checks)]
    return [KeyFigures(figures), *notices]


def _answers(checks: Checks, data: Examination) -> Sequence[Block]:
    if not data.labels:
        plot = histogram(
            data.targets,
            x_axis="target",
            alt=f"Histogram of {len(data.targets)} targets from {data.targets.min():g} to {data.targets.max():g}.",
            caption="The numbers to be predicted, of all parts.",
        )
        return [plot, targets_table(checks)]
    return [_balance(checks), balance_table(checks)]


def _balance(checks: Checks) -> Figure:
    classes = list(checks.classes)
    caption = "Items of every class, by part."
    if len(classes) > _MAX_BARS:
        ranked = sorted(classes, key=lambda each: -each.total)
        classes = [*ranked[: _MAX_BARS // 2], *ranked[-_MAX_BARS // 2 :]]
        caption = f"Items of the {_MAX_BARS // 2} largest and the {_MAX_BARS // 2} smallest classes, by part."
    return grouped_bar_chart(
        {part: {each.label: float(getattr(each, part)) for each in classes} for part in PARTS},
        axis="items",
        alt=f"Bars of {len(classes)} classes with their training, validation and test items, which the table tells.",
        caption=caption,
        number_format="{:,.0f}",
    )


def _sizes(data: Examination) -> list[Section]:
    blocks: list[Block] = []
    for name in data.items[0].features.sizes:
        unit = "" if name == "characters" else " in pixels"
        values = np.array([item.features.sizes[name] for item in data.items])
        if values.min() == values.max():
            blocks.append(Prose(f"{name.capitalize()}{unit}: {values[0]}, the same for all items."))
            continue
        spread = f"{values.min()} to {values.max()}, median {np.median(values):g}"
        blocks.append(
            histogram(
                values,
                x_axis=f"{name}{unit}",
                alt=f"Histogram of {name}{unit}: {spread}.",
                caption=f"{name.capitalize()}{unit} of the items: {spread}.",
                marked_x={"median": float(np.median(values))},
            )
        )
    return [Section("Sizes", blocks)] if blocks else []


def _doubted(checks: Checks, show: Show) -> Sequence[Block]:
    suspects = checks.suspects
    how = (
        f"A simple model that had not seen them was asked about {suspects.examined:,} items, and was right about "
        f"{suspects.accuracy:.1%}. Listed are those of which it is more confident that they are of another class than "
        "it is on average of that class (confident learning; Northcutt et al., 2021), the least confident label first. "
        "Some of them are right and merely odd: look before you mend."
    )
    blocks: list[Block] = [Prose(how)] if suspects.examined else []
    if suspects.note:
        blocks.append(Notice(suspects.note))
    if not suspects.listed:
        return [*blocks, Prose("No label looks wrong.")] if suspects.examined else blocks
    table = suspects_table(checks)
    if suspects.count > len(suspects.listed):
        blocks.append(Prose(f"{len(suspects.listed)} of {suspects.count} are listed."))
    pictures = [show(each.id) for each in suspects.listed]
    if any(pictures):
        rows = [[row[0], *picture, *row[1:]] for row, picture in zip(table.rows, pictures, strict=True)]
        table = Table((table.columns[0], Column("picture"), *table.columns[1:]), rows)
    return [*blocks, table]


def _near(checks: Checks, show: Show) -> list[Section]:
    if not checks.near:
        return []
    is_picture = bool(show(checks.near[0].first))
    rows: list[list[Cell]] = []
    for pair in checks.near:
        where = f"{pair.first_split} and {pair.second_split}"
        labels = pair.first_label == pair.second_label
        rows.append(
            [
                pair.first,
                *show(pair.first),
                *show(pair.second),
                pair.second,
                Marked(where, "warning") if pair.is_leak else pair.first_split,
                (pair.first_label or "") if labels else Marked(f"{pair.first_label} and {pair.second_label}", "bad"),
                *([f"{pair.correlation:.3f}"] if is_picture else []),
            ]
        )
    pictures = [Column("picture"), Column("picture")] if is_picture else []
    likeness = [Column("correlation", is_number=True)] if is_picture else []
    columns = [Column("item"), *pictures, Column("nearly the same as"), Column("part"), Column("label"), *likeness]
    what = (
        "Pictures whose hashes of brightness steps (dHash) differ by 3 bits at most, and whose thumbnails correlate by "
        "0.99 at least: resized, recompressed or brightened copies, or just alike."
        if is_picture
        else "Texts that differ in case, spaces and punctuation only."
    )
    told = f" {len(checks.near)} of {checks.near_count} pairs are listed, those in different parts first."
    return [Section("Near duplicates", (Prose(what + told), Table(columns, rows)))]


def _copies(checks: Checks, show: Show) -> list[Section]:
    blocks: list[Block] = []
    if checks.conflicts:
        blocks += [
            Prose(f"Equal content with several labels, {len(checks.conflicts)} of {checks.conflict_groups}:"),
            _groups(checks.conflicts, show),
        ]
    plain = [each for each in checks.duplicates if len(each.labels) <= 1][:_COPIES]
    if plain:
        blocks += [
            Prose(
                f"Equal content, all of it in one part; {len(plain)} of "
                f"{checks.duplicate_groups - checks.conflict_groups}:"
            ),
            _groups(plain, show),
        ]
    if checks.leaks:
        rows = [[each.id, each.was_in, each.kept, each.kept_in] for each in checks.leaks]
        columns = (Column("left out"), Column("was in"), Column("as it is a copy of"), Column("which stays in"))
        blocks += [
            Prose(f"The source had equal content in two of its parts; {len(checks.leaks)} of {checks.leak_count}:"),
            Table(columns, rows),
        ]
    return [Section("Copies", blocks)] if blocks else []


def _groups(groups: Sequence[Duplicates], show: Show) -> Table:
    rows = [[*show(each.ids[0]), ", ".join(each.ids), str(each.count), ", ".join(each.labels)] for each in groups]
    pictures = [Column("picture")] if show(groups[0].ids[0]) else []
    return Table([*pictures, Column("items"), Column("number", is_number=True), Column("labels")], rows)


def _left_out(checks: Checks) -> list[Section]:
    if not checks.problems:
        return []
    told = f"{len(checks.problems)} of {checks.problem_count} items that serving could not read either."
    rows = [[each.where, each.reason, each.code] for each in checks.problems]
    return [Section("Left out", (Prose(told), Table((Column("item"), Column("why"), Column("code")), rows)))]


def _origin(record: Record, checks: Checks) -> Sequence[Block]:
    rows = [
        ["source", record.source],
        ["added", record.created_at],
        ["seed of the split", str(record.seed)],
        ["validation share asked for", f"{record.validation_share:g}"],
        ["test share asked for", f"{record.test_share:g}"],
        ["sha256 of the manifest", record.manifest_sha256],
    ]
    return [Table((Column("what"), Column("value")), rows), *(Prose(note) for note in checks.notes)]
