"""The command around what a stack costs: costs."""

from __future__ import annotations

from typing import Annotated

import typer

from lambent_toolkit.cli.screen import screen

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def register(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(costs)


def costs(
    gpu: Annotated[bool, typer.Option("--gpu", help="With the GPU lane, which costs its image.")] = False,
) -> None:
    """Tell what a stack costs: idle, for a million predictions, and in use; computed from list prices, asks nobody."""
    from lambent.domain.prices import PRICES
    from lambent_toolkit.cli.tables import plain_table
    from lambent_toolkit.costs import prices, tables
    from lambent_toolkit.costs.idle import CPU_STACK, GPU_STACK

    console = screen()
    for header, rows in (
        (tables.IDLE_HEADER, tables.idle_rows(GPU_STACK if gpu else CPU_STACK)),
        (tables.WAYS_HEADER, tables.ways_rows()),
        (tables.GROWING_HEADER, tables.growing_rows()),
    ):
        table = plain_table(*header, right=tuple(range(1 if header is not tables.IDLE_HEADER else 2, len(header))))
        for row in rows:
            table.add_row(*row)
        for column in table.columns:
            column.no_wrap, column.overflow = False, "fold"
        console.print(table)
        console.print()
    unverified = [rate.price.unit for rate in prices.EVERY if not rate.price.is_verified]
    console.print(f"List prices of {PRICES.region}, in USD; not verified: {', '.join(unverified)}.", markup=False)
