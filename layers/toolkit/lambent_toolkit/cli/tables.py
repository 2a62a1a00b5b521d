"""Tables of the model kit's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.card import Figure
    from lambent_toolkit.modelkit.gate import Check
    from lambent_toolkit.modelkit.report import Report


def plain_table(*headings: str, right: tuple[int, ...] = ()) -> Table:
    """Return an empty table in the one style; ``right`` are the columns of numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in right else "left", no_wrap=True)
    return table


def variants_table(report: Report) -> Table:
    """Return the variants of a model side by side, with latencies of one row: p50 and p99 on one thread, p50 on two."""
    quality = _QUALITY[report.task]
    headings = ("variant", *quality, "size", "load", "p50", "p99", "p50, 2 thr.", "interpreter")
    table = plain_table(*headings, right=tuple(range(1, len(headings) - 1)))
    for name, figures in report.variants.items():
        one, two = figures.latency(1), figures.latency(2)
        table.add_row(
            f"[bold]{name}[/]" if name == report.published else name,
            *(_shown(getattr(figures, field), form) for field, form in quality.values()),
            f"{figures.size_bytes / 1000:.0f} kB",
            _ms(figures.load_ms, digits=1),
            _ms(one and one.p50_ms),
            _ms(one and one.p99_ms),
            _ms(two and two.p50_ms),
            figures.runtime,
        )
    return table


# Heading → the figure and its format, by the model's task.
_QUALITY = {
    "classification": {"accuracy": ("accuracy", ".1%"), "agrees": ("agreement", ".1%")},
    "regression": {"RMSE": ("rmse", ".4g"), "MAE": ("mae", ".4g"), "R²": ("r2", ".4f")},
    "raw": {"largest difference": ("output_error_max", ".3g"), "mean": ("output_error_mean", ".3g")},
}


def figures_table(figures: Sequence[Figure]) -> Table:
    """Return measured figures with their intervals."""
    table = plain_table("figure", "value", "95 % interval", right=(1,))
    for name, value, interval in figures:
        table.add_row(name, value, interval or "")
    return table


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


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _ms(value: float | None, *, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f} ms"


def checks_table(checks: Sequence[Check]) -> Table:
    """Return the gate's checks with what was expected and got."""
    table = plain_table("", "check", "expected", "got")
    for column in table.columns[2:]:
        column.no_wrap = False
    for check in checks:
        table.add_row("[green]✓[/]" if check.is_passed else "[red]✗[/]", check.name, check.expected, check.got)
    return table
