"""Jobs of the GPU lane: what `train --remote` and `evaluate --remote` share, and the commands `lambent runs`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure, harmless
from lambent_toolkit.cli.screen import screen, typed
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from rich.console import Console

    from lambent_toolkit.remote.records import RunRecord
    from lambent_toolkit.remote.runs import Runs
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

DEFAULT_TENANT = "default"
Remote = Annotated[
    bool, typer.Option("--remote", help="Run it as a job of the stack's GPU lane, and bring the outcome back.")
]
Detach = Annotated[bool, typer.Option("--detach", help="With --remote: do not wait for the job.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose run it is, for --remote.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="As `lambent runs list` shows it.", show_default=False)]

runs_app = typer.Typer(no_args_is_help=True, help="Trainings and evaluations that run as jobs.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(runs_app, name="runs")


@runs_app.command("list")
@takes_stack
def list_runs(tenant: Tenant = DEFAULT_TENANT, *, stack: StackChoice) -> None:
    """List the runs of a tenant, the newest first."""
    with ending_on_failure():
        from rich.table import Table

        found = open_runs(stack, tenant).list()
        if not found:
            screen().print(f"Tenant {tenant} has no runs.", markup=False)
            return
        table = Table("run", "what", "by", "state", box=None, pad_edge=False)
        for each in found:
            told = (each.record.run_id, f"{each.record.task} {each.record.what}", each.record.by, each.state)
            table.add_row(*map(_plain, told))
    screen().print(table)


@runs_app.command("attach")
@takes_stack
def attach(
    run: RunId,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the artifact; the one that was named first.", show_default=False)
    ] = None,
    tenant: Tenant = DEFAULT_TENANT,
    *,
    stack: StackChoice,
) -> None:
    """Follow a run to its end, and bring its artifact; as if the command that started it had gone on."""
    console = screen()
    with ending_on_failure():
        record, folder = follow(console, open_runs(stack, tenant), run, out=out)
        if record.task == "train":
            from lambent_toolkit.cli.train import print_trained

            print_trained(console, folder)
        else:
            from lambent_toolkit.cli.evaluate import print_evaluated
            from lambent_toolkit.modelkit.named_models import is_version

            print_evaluated(console, folder, is_publishable=not is_version(record.what))


@runs_app.command("cancel")
@takes_stack
def cancel(run: RunId, tenant: Tenant = DEFAULT_TENANT, *, stack: StackChoice) -> None:
    """End a run, whether it waits or runs; one that has ended stays as it is."""
    with ending_on_failure():
        record = open_runs(stack, tenant).cancel(run)
    screen().print(f"Run {record.run_id} ({record.task} {record.what}) is asked to end.", markup=False)


def open_runs(stack: StackChoice, tenant: str) -> Runs:
    """Return a tenant's runs on a stack; raises LaneMissing, NameInvalid, and as `find_stack`."""
    from lambent_toolkit.remote.runs import Runs
    from lambent_toolkit.stacks.find import find_stack

    return Runs.of(find_stack(stack), tenant=tenant)


def detached(console: Console, run: RunRecord) -> None:
    """Print how to come back to a run."""
    console.print(f"Run {run.run_id} is submitted. Come back: lambent runs attach {run.run_id}", markup=False)


def follow(console: Console, runs: Runs, run_id: str, *, out: Path | None = None) -> tuple[RunRecord, Path]:
    """Print what happens to a run until its artifact is here; raises as `Runs.finish`; FollowingStopped."""
    from lambent_toolkit.modelkit.errors import FollowingStopped

    console.print(f"Run {run_id}; Ctrl-C stops watching, and the job goes on", markup=False)
    try:
        record, folder = runs.finish(run_id, ConsoleListener(console), out=out)
    except KeyboardInterrupt:
        raise FollowingStopped(
            f"Stopped watching; run {run_id} goes on. Come back: lambent runs attach {run_id}. End it: lambent runs "
            f"cancel {run_id}"
        ) from None
    console.print(f"Artifact: {typed(folder)}", markup=False, soft_wrap=True)
    return record, folder


class ConsoleListener:
    """Prints a run's states with the time, and its log below them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def state(self, told: str) -> None:
        """Print a state."""
        now = datetime.now().astimezone()
        self._console.print(f"{now:%H:%M:%S} {harmless(told)}", markup=False, soft_wrap=True)

    def line(self, text: str) -> None:
        """Print a line of the log; it comes from code of strangers."""
        self._console.print(f"  {harmless(text)}", markup=False, soft_wrap=True)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(harmless(text))
