"""The tables of a page in a terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table as RichTable

from lambent_toolkit.reporting.page import Cell, Marked, Table, Thumbnail

_STYLES = {"good": "green", "bad": "red", "warning": "yellow", "neutral": "default"}
_SIGNS = {"good": "✓ ", "bad": "✗ ", "warning": "! ", "neutral": ""}


def terminal_table(table: Table) -> RichTable:
    """Return a page's table for `rich.console.Console.print`: pictures as their alternative text, no details."""
    shown = RichTable(
        box=None,
        pad_edge=False,
        header_style="dim",
        padding=(0, 2, 0, 0),
        title=escape(table.caption) or None,
        title_justify="left",
        title_style="dim italic",
    )
    shown_columns = [number for number, column in enumerate(table.columns) if not column.is_detail]
    for column in (table.columns[number] for number in shown_columns):
        heading = f"{column.heading} {column.unit}".strip()
        # A name that is longer than its column goes on in the next line: cut off, it would name nothing.
        shown.add_column(escape(heading), justify="right" if column.is_number else "left", overflow="fold")
    for number, row in enumerate(table.rows):
        style = "bold" if number in table.highlighted_rows else None
        shown.add_row(*(_cell(row[place]) for place in shown_columns), style=style)
    return shown


def _cell(value: Cell) -> str:
    if isinstance(value, Thumbnail):
        return escape(value.alt)
    if isinstance(value, Marked):
        return f"[{_STYLES[value.tone]}]{_SIGNS[value.tone]}{escape(value.text)}[/]"
    return escape(value)
