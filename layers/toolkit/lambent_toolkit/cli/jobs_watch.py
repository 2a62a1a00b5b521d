"""`lambent jobs watch`: a job's progress until it ends, live on a terminal, a line a change anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from rich.console import Console

    from lambent_toolkit.jobs.client import JobsClient
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

JobId = Annotated[str, typer.Argument(metavar="JOB", show_default=False)]
EXIT_CODES = {"SUCCEEDED": 0, "FAILED": 100, "PARTIAL": 101, "CANCELLED": 102}
EVERY_S = 1.0
ERRORS_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(takes_stack(watch))


def watch(
    job_id: JobId,
    every: Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="How often to look.")] = EVERY_S,
    *,
    stack: StackChoice,
) -> None:
    """Show a job's progress until it ends. Exit codes: 0 SUCCEEDED, 100 FAILED, 101 PARTIAL, 102 CANCELLED.

    Ctrl-C ends the watching and not the job.
    """
    with ending_on_failure():
        from lambent_toolkit.jobs.client import JobsClient
        from lambent_toolkit.stacks.find import find_door

        with JobsClient(find_door(stack)) as client:
            ended = watch_to_the_end(client, job_id, every_s=every)
    exit_as(ended)


def watch_to_the_end(client: JobsClient, job_id: str, *, every_s: float = EVERY_S) -> dict[str, Any]:
    """Show a job until it has ended, then how it ended; return it then."""
    from lambent_toolkit.cli.jobs_show import print_end
    from lambent_toolkit.jobs.watching import job_until_its_end

    console = screen()
    show = _show_live if console.is_terminal else _show_changes
    job = show(console, job_until_its_end(client, job_id, every_s=every_s))
    errors = list(client.errors(job_id, most=ERRORS_SHOWN)) if job["failed"] and job["kind"] == "batch" else []
    print_end(console, job, errors)
    return job


def exit_as(job: dict[str, Any]) -> None:
    """End the command as the job ended."""
    code = EXIT_CODES[job["state"]]
    if code:
        raise typer.Exit(code)


def _show_live(console: Console, jobs: Any) -> dict[str, Any]:
    from rich.live import Live

    from lambent_toolkit.cli.jobs_show import progress_view

    with Live(console=console, refresh_per_second=4, transient=True) as live:
        for job in jobs:
            live.update(progress_view(job))
    ended: dict[str, Any] = job
    return ended


def _show_changes(console: Console, jobs: Any) -> dict[str, Any]:
    from lambent_toolkit.cli.jobs_show import change_of, progress_line

    told = None
    for job in jobs:
        if change_of(job) != told:
            told = change_of(job)
            console.print(progress_line(job), markup=False, soft_wrap=True)
    ended: dict[str, Any] = job
    return ended
