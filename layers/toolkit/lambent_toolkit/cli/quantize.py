"""The command `quantize`: every form of a model measured, and the choice among them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen, typed
from lambent_toolkit.modelkit.variants import ServedChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(quantize)


def quantize(  # noqa: PLR0917 - typer passes every option by name
    folder: Annotated[
        Path, typer.Argument(help="Folder that `lambent train` or `lambent import` wrote.", show_default=False)
    ],
    variant: Annotated[
        ServedChoice | None,
        typer.Option(help="Serve this form, or auto; else what the recipe says.", show_default=False),
    ] = None,
    max_drop: Annotated[
        str | None,
        typer.Option(
            help="Most that may be lost: 0.5pt of accuracy, 2% of the RMSE; else the contract's limit.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[Literal["latency", "size"], typer.Option(help="What to make small.")] = "latency",
    basis: Annotated[
        Literal["estimate", "bound"],
        typer.Option(help="Hold the loss to the limit, or the upper end of its interval."),
    ] = "estimate",
    data: Annotated[
        str | None,
        typer.Option(
            help="Data to measure on, by name, or a file of tensors; an imported model has none of its own.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure every form of a model where it serves, on validation data, and choose the one that Lambda serves."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.cli.watch import ConsoleWatcher
        from lambent_toolkit.modelkit import quantization_tables as tables
        from lambent_toolkit.modelkit.quantization_limit import Limit
        from lambent_toolkit.modelkit.quantization_step import Wish
        from lambent_toolkit.modelkit.workbench import Workbench
        from lambent_toolkit.reporting.terminal import terminal_table

        wish = Wish(variant, Limit.parse(max_drop) if max_drop else None, target, basis)
        with ConsoleWatcher(console) as watcher:
            report = Workbench(folder, watcher=watcher).quantize(wish, data=data)
        for table in (tables.quality_table(report), tables.cost_table(report), tables.choice_table(report)):
            console.print(terminal_table(table), "")
        for line in tables.sentences(report, str(folder)):
            console.print(line, markup=False, soft_wrap=True)
    console.print(f"Plots: {folder}/quantization.html", markup=False, soft_wrap=True)
    # An imported model has no data of its own: the step that follows needs it named again.
    of = f" --data {typed(Path(data))}" if data else ""
    console.print(f"Next: lambent evaluate {typed(folder)}{of}", markup=False, soft_wrap=True)
