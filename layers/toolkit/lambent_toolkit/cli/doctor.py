"""The command `doctor`: whether a stack is well, and what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure, harmless
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.doctor import Result
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[bold red]✗[/]", "unknown": "?", "skipped": "-"}


def register(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(takes_stack(doctor))


def doctor(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="A check or a group; again for more.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="For the round trips; else the first live one.", show_default=False),
    ] = None,
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Let a job run on the GPU lane: minutes, and a few cents.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write all that was found, to be sent.", show_default=False),
    ] = None,
    list_checks: Annotated[bool, typer.Option("--list", help="List the checks, and make none.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Examine a stack: each check says what is wrong and how to mend it. Exit codes: 160 failed, 161 could not look."""
    console = screen()
    with ending_on_failure():
        from lambent.runtime.clock import SystemClock
        from lambent_toolkit.doctor import examine
        from lambent_toolkit.doctor.patient import Patient
        from lambent_toolkit.doctor.registry import all_checks
        from lambent_toolkit.doctor.report import exit_code, write_report
        from lambent_toolkit.doctor.report import report as make_report
        from lambent_toolkit.stacks.find import find_stack

        checks = all_checks()
        if list_checks:
            for each in checks:
                console.print(f"{each.name:<24}{each.asks}", markup=False, soft_wrap=True)
            return
        known = {each.name for each in checks} | {each.group for each in checks}
        if unknown := [name for name in only or [] if name not in known]:
            raise typer.BadParameter(f"{unknown[0]!r} is no check and no group; see --list", param_hint="--only")
        if report is not None and (report.is_dir() or not report.parent.is_dir()):
            raise typer.BadParameter(f"{report} cannot be a file: is its folder there?", param_hint="--report")
        patient = Patient(find_stack(stack), model=model, is_gpu=gpu)
        results = examine(patient, only=only or (), tell=_tell)
        if report is not None:
            write_report(report, make_report(patient, results, at=SystemClock().now()))
            console.print(f"Report, without secrets: {report}", markup=False, soft_wrap=True)
    _tell_sum(results)
    if code := exit_code(results):
        raise typer.Exit(code)


def _tell(result: Result) -> None:
    from rich.markup import escape

    told = escape(harmless(result.finding.told))
    screen().print(f"{MARKS[result.finding.status]} {result.name}: {told}", soft_wrap=True, highlight=False)
    if result.finding.mend:
        screen().print(f"    → {escape(harmless(result.finding.mend))}", soft_wrap=True, highlight=False)


def _tell_sum(results: list[Result]) -> None:
    from collections import Counter

    counts = Counter(each.finding.status.value for each in results)
    screen().print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())), markup=False)
