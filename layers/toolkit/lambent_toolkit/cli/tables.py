"""Tables of the model kit's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.gate import Check
    from lambent_toolkit.modelkit.report import Report


def plain_table(*headings: str, right: tuple[int, ...] = ()) -> Table:
    """Return an empty table in the one style; ``right`` are the columns of numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
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
        table.add_row("[green]✓[/]" if check.is_passed else "[red]✗[/]", check.name, check.expected, check.got)
    return table
