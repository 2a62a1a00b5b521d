"""The command `lambent evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(evaluate)


def evaluate(
    folder: Annotated[
        Path, typer.Argument(help="Folder of a trained or imported model, quantized.", show_default=False)
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Other data than the recipe's, by name; imported models have none.", show_default=False),
    ] = None,
) -> None:
    """Measure the model on its test part: as it is served, and beside the float model."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.cli.tables import mistakes, variants_table
        from lambent_toolkit.cli.watch import ConsoleWatcher
        from lambent_toolkit.modelkit.evaluating.tables import figures_table
        from lambent_toolkit.modelkit.evaluating.wording import key_figures, loss_text
        from lambent_toolkit.modelkit.workbench import Workbench
        from lambent_toolkit.reporting.terminal import terminal_table

        with ConsoleWatcher(console) as watcher:
            report = Workbench(folder, watcher=watcher).evaluate(data=data)
        console.print(variants_table(report))
        console.print(terminal_table(figures_table(key_figures(report))))
        if report.loss:
            console.print(f"Against the float model: {loss_text(report.loss, report)}.")
        told = f": {mistakes(report)}" if report.classification else ""
        console.print(f"{report.published} on {report.data.test_items} held-out items of {report.data.name}{told}")
        for warning in report.warnings:
            console.print(f"[yellow]![/] {warning}", soft_wrap=True)
    console.print(f"Next: lambent publish {folder}")
