"""The commands `lambent evaluate` and `lambent compare`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.remote import DEFAULT_TENANT, Detach, Remote, Tenant, detached, follow, open_runs
from lambent_toolkit.cli.screen import screen, typed
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from rich.console import Console

    from lambent_toolkit.modelkit.evaluating.comparing import Compared
    from lambent_toolkit.modelkit.report import Report
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

# What a terminal shows; the page and the JSON file have more.
_MOST_ITEMS = 10


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (evaluate, compare):
        app.command()(takes_stack(command))


def evaluate(  # noqa: PLR0917 - typer passes every option by name
    model: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|MODEL@VERSION",
            help="Folder of a trained or imported model, quantized; or a published version.",
            show_default=False,
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Data to measure on, by name, or a file of tensors; the recipe's own unless named.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the report on a published version.", show_default=False),
    ] = None,
    remote: Remote = False,
    detach: Detach = False,
    tenant: Tenant = DEFAULT_TENANT,
    *,
    stack: StackChoice,
) -> None:
    """Measure a model on test data: as it is served, and beside the float model."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.modelkit.named_models import is_version

        published = is_version(model)
        folder = (out or stack.state_dir / "evaluations" / model.replace("@", "-")) if published else Path(model)
        if not remote:
            _evaluate_here(console, model, folder, data=data, stack=stack)
        else:
            from lambent_toolkit.modelkit.named_models import NamedModels

            runs = open_runs(stack, tenant)
            if published:
                run = runs.evaluate_version(NamedModels(stack).version(model, data_name=data), folder)
            else:
                run = runs.evaluate(folder, data=data)
            if detach:
                detached(console, run)
                return
            follow(console, runs, run.run_id)
        print_evaluated(console, folder, is_publishable=not published)


def _evaluate_here(console: Console, model: str, folder: Path, *, data: str | None, stack: StackChoice) -> None:
    from lambent_toolkit.cli.watch import ConsoleWatcher
    from lambent_toolkit.modelkit.named_models import NamedModels, is_version
    from lambent_toolkit.modelkit.workbench import Workbench

    with ConsoleWatcher(console) as watcher:
        if is_version(model):
            NamedModels(stack).evaluate_version(model, folder, data_name=data, watcher=watcher)
        else:
            Workbench(folder, watcher=watcher).evaluate(data=data)


def print_evaluated(console: Console, folder: Path, *, is_publishable: bool) -> None:
    """Print the report that an evaluation left in a folder, wherever it ran."""
    from lambent.domain.model import REPORT_FILE
    from lambent_toolkit.modelkit.report import decode_report
    from lambent_toolkit.modelkit.step_files import read_step_file

    print_report(console, decode_report(read_step_file(folder, REPORT_FILE, step="evaluate"), of=str(folder)))
    console.print(f"Report: {folder}/report.html", markup=False, soft_wrap=True)
    if is_publishable:
        console.print(f"Next: lambent publish {typed(folder)}", markup=False, soft_wrap=True)


def compare(
    first: Annotated[str, typer.Argument(metavar="FOLDER|MODEL@VERSION", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="FOLDER|MODEL@VERSION", show_default=False)],
    data: Annotated[
        str | None,
        typer.Option(help="Data to compare on, by name; the first model's own unless named.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.html and compare.json.", show_default=False)
    ] = None,
    *,
    stack: StackChoice,
) -> None:
    """Run two evaluated models on the same test items: which is better, and on which items do they differ."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.cli.watch import ConsoleWatcher
        from lambent_toolkit.modelkit.comparison_step import run_comparison
        from lambent_toolkit.modelkit.named_models import NamedModels

        folder = out or stack.state_dir / "comparisons" / f"{_plain(first)}-{_plain(second)}"
        models = NamedModels(stack)
        with ConsoleWatcher(console) as watcher:
            pair = models.ready(first), models.ready(second)
            compared = run_comparison(*pair, folder, data_name=data, watcher=watcher)
        print_comparison(console, compared)
    console.print(f"Page: {folder}/compare.html", markup=False, soft_wrap=True)


def print_report(console: Console, report: Report) -> None:
    """Print what was measured of a model."""
    from lambent_toolkit.cli.tables import variants_table
    from lambent_toolkit.modelkit.evaluating.tables import baselines_table, figures_table, labels_table
    from lambent_toolkit.modelkit.evaluating.wording import key_figures
    from lambent_toolkit.reporting.terminal import terminal_table

    console.print(variants_table(report))
    console.print(terminal_table(figures_table(key_figures(report))))
    if report.several_labels:
        console.print(terminal_table(labels_table(report.several_labels.labels)))
    if report.baselines:
        console.print(terminal_table(baselines_table(report)))
    for line in _lines(report):
        console.print(line, soft_wrap=True, markup=False)
    for finding in report.findings or []:
        console.print(f"[red]✗ {escape(finding.text)}[/] ({finding.code})", soft_wrap=True)
    for warning in _warnings(report):
        console.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)


def _warnings(report: Report) -> Iterator[str]:
    from lambent_toolkit.modelkit.evaluating.wording import unmeasured_text

    if told := unmeasured_text(report):
        yield told
    if report.findings:
        yield 'The gate will not let it be published: mend it, or say by --force --why "…" that it is meant so.'
    yield from report.warnings


def _lines(report: Report) -> Iterator[str]:
    from lambent_toolkit.cli.tables import mistakes
    from lambent_toolkit.modelkit.evaluating.wording import left_out_text, loss_text

    told = f": {mistakes(report)}" if report.classification else ""
    where = f"{report.published} in {report.measured.runtime}"
    yield f"{where} on {report.data.test_items} held-out items of {report.data.name}{told}"
    if report.loss:
        yield f"against the float model: {loss_text(report.loss, report)}"
    if left_out := left_out_text(report):
        yield left_out
    yield from (f"worse than the rest: {each.column} = {each.value}" for each in report.slices if each.is_worse)


def print_comparison(console: Console, compared: Compared) -> None:
    """Print two models side by side."""
    from lambent_toolkit.modelkit.evaluating.comparison_page import (
        contestants_table,
        differences_table,
        differing_table,
    )
    from lambent_toolkit.modelkit.evaluating.items import item_shower
    from lambent_toolkit.reporting.terminal import terminal_table

    comparison = compared.comparison
    console.print(terminal_table(contestants_table(comparison)))
    console.print(terminal_table(differences_table(comparison)))
    if comparison.differing_items:
        show = item_shower(compared.items, compared.contract)
        console.print(terminal_table(differing_table(comparison, show, at_most=_MOST_ITEMS)))
    for warning in comparison.warnings:
        console.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)
    console.print(comparison.verdict, soft_wrap=True, markup=False)


def _plain(name: str) -> str:
    """Return a model's name as part of a folder's name."""
    return Path(name).name.replace("@", "-")
