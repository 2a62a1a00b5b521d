"""The command `sensitivity`: which layers int8 costs the accuracy, and what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(sensitivity)


def sensitivity(  # noqa: PLR0917 - typer passes every option by name
    folder: Annotated[
        Path, typer.Argument(help="Folder that `lambent train` or `lambent import` wrote.", show_default=False)
    ],
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Leave the worst layers in float: variants/mixed.tflite.")
    ] = False,
    max_loss: Annotated[
        float | None,
        typer.Option(
            help="For --mixed: points of accuracy, or share of the RMSE; else the contract's limit.", show_default=False
        ),
    ] = None,
    qat: Annotated[bool, typer.Option("--qat", help="Fine-tune the model for int8: variants/qat.tflite.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Of the fine-tuning.")] = 5,
    data: Annotated[
        str | None, typer.Option(help="Data to measure on; an imported model has none of its own.", show_default=False)
    ] = None,
) -> None:
    """Measure on validation data what each layer costs in int8; with --mixed or --qat, do something about it."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.cli.watch import ConsoleWatcher
        from lambent_toolkit.modelkit.remedies_page import fine_tuning_verdict, layers_table, verdict
        from lambent_toolkit.modelkit.remedies_step import RemediesBench
        from lambent_toolkit.reporting.terminal import terminal_table

        with ConsoleWatcher(console) as watcher:
            bench = RemediesBench(folder, data=data, watcher=watcher)
            report = bench.mixed(limit=max_loss) if mixed else bench.sensitivity()
            tuned = bench.fine_tuned(epochs=epochs) if qat else None
        console.print(terminal_table(layers_table(report)))
        console.print(verdict(report), markup=False)
        if tuned:
            console.print(fine_tuning_verdict(tuned))
    console.print(f"Plot: {folder}/sensitivity.html", markup=False, soft_wrap=True)
