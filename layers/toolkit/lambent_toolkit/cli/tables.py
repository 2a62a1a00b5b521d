"""Tables of the model kit's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.style import StyleType

    from lambent_toolkit.modelkit.gate import Check
    from lambent_toolkit.modelkit.report import Report


class PlainTable(Table):
    """A table whose texts are shown as they are: names, reasons and errors of strangers may look like markup."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Add a row; styled cells come as `rich.text.Text`."""
        shown = (Text(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*shown, style=style, end_section=end_section)


def plain_table(*headings: str, right: tuple[int, ...] = ()) -> PlainTable:
    """Return an empty table in the one style; ``right`` are the columns of numbers."""
    table = PlainTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in right else "left", no_wrap=True)
    return table


def variants_table(report: Report) -> Table:
    """Return the variants of a model side by side."""
    from lambent_toolkit.modelkit.evaluating.tables import variants_table as variants
    from lambent_toolkit.reporting.terminal import terminal_table

    return terminal_table(variants(report))


def mistakes(report: Report, *, at_most: int = 5) -> str:
    """Return the commonest confusions of the published classifier in words, or that there are none."""
    if report.classification is None:
        raise ValueError(f"{report.model} is no classifier.")
    labels = report.classification.labels
    pairs = [
        (count, true, said)
        for true, row in enumerate(report.classification.confusion)
        for said, count in enumerate(row)
        if count and said != true
    ]
    wrong = sum(count for count, _, _ in pairs)
    if not wrong:
        return "no mistakes"
    worst = sorted(pairs, key=lambda pair: -pair[0])[:at_most]
    told = (f"{labels[true]} read as {labels[said]} ({count})" for count, true, said in worst)
    return f"{wrong} mistakes: " + ", ".join(told)


def checks_table(checks: Sequence[Check]) -> Table:
    """Return the gate's checks with what was expected and got."""
    table = plain_table("", "check", "expected", "got")
    for column in table.columns[2:]:
        column.no_wrap = False
    for check in checks:
        mark = Text("✓", "green") if check.is_passed else Text("✗", "red")
        table.add_row(mark, check.name, check.expected, check.got)
    return table
