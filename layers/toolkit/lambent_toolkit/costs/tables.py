"""Costs as tables of text: for a console, and for the documents that show them."""

from __future__ import annotations

from lambent_toolkit.costs.idle import CPU_STACK, GPU_STACK, Deployed, idle_lines, total
from lambent_toolkit.costs.predictions import growing, ways

Rows = list[tuple[str, ...]]

IDLE_HEADER = ("an idle month", "of what", "USD", "nothing free")
WAYS_HEADER = ("a million predictions", "API Gateway", "Lambda", "logs, traces", "queues, objects", "USD")
GROWING_HEADER = ("a month of use adds, for", "USD")


def idle_rows(stack: Deployed) -> Rows:
    """Return the lines of an idle month and their sum."""
    lines = idle_lines(stack)
    usd, unfree = total(lines)
    rows: Rows = [(line.what, line.computation, f"{line.usd:.2f}", f"{line.usd_unfree:.2f}") for line in lines]
    return [*rows, ("sum", "", f"{usd:.2f}", f"{unfree:.2f}")]


def ways_rows() -> Rows:
    """Return a million predictions by each way."""
    return [
        (way.what, *(f"{usd:.2f}" for usd in (way.gateway, way.compute, way.watching, way.rest, way.total)))
        for way in ways()
    ]


def growing_rows() -> Rows:
    """Return what a month of use adds."""
    return [(what, f"{usd:.2f}") for what, usd in growing()]


def markdown() -> str:
    """Return all tables as Markdown, as functions/README.md shows them."""
    tables = [
        (IDLE_HEADER, idle_rows(GPU_STACK)[:-1] + _sums()),
        (WAYS_HEADER, ways_rows()),
        (GROWING_HEADER, growing_rows()),
    ]
    return "\n\n".join(_table(header, rows) for header, rows in tables)


def _sums() -> Rows:
    both = [(name, *idle_rows(stack)[-1][2:]) for name, stack in (("without", CPU_STACK), ("with", GPU_STACK))]
    return [(f"**sum, {name} the GPU lane**", "", f"**{usd}**", f"**{unfree}**") for name, usd, unfree in both]


def _table(header: tuple[str, ...], rows: Rows) -> str:
    return "\n".join(_cells(each) for each in (header, ("---",) * len(header), *rows))


def _cells(row: tuple[str, ...]) -> str:
    return f"| {' | '.join(row)} |"
