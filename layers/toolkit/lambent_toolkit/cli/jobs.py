"""Commands that start and change jobs: submit, cancel, retry, priority; the others register themselves here too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lambent_toolkit.cli import jobs_quote, jobs_read, jobs_watch
from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.jobs_watch import JobId, watch_to_the_end
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

Options = Annotated[str | None, typer.Option(show_default=False)]

jobs_app = typer.Typer(no_args_is_help=True, help="Batches: submit, watch, read, cancel and retry them.")


def register(app: typer.Typer) -> None:
    """Add this group of commands to ``app``."""
    for command in (submit, cancel, retry, priority):
        jobs_app.command()(takes_stack(command))
    jobs_quote.register(jobs_app)
    jobs_watch.register(jobs_app)
    jobs_read.register(jobs_app)
    app.add_typer(jobs_app, name="jobs")


def submit(  # noqa: PLR0917 - typer passes every option by name
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A .jsonl, .csv, .parquet or .zip file, a folder of items, or an s3:// address.",
            show_default=False,
        ),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="Name of the model.", show_default=False)],
    version: Annotated[str | None, typer.Option(help="A version's number.", show_default=False)] = None,
    label: Annotated[str | None, typer.Option(help="A label, live if neither is named.", show_default=False)] = None,
    job_id: Annotated[
        str | None, typer.Option("--id", help="The job's id; made up if left out.", show_default=False)
    ] = None,
    lane: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    input_format: Annotated[
        str | None,
        typer.Option("--format", help="jsonl, csv, parquet or zip, if the name does not tell.", show_default=False),
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of a table that holds ids.", show_default=False)] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="End with what there is then: 2h, 30m, or an RFC 3339 time.", show_default=False
        ),
    ] = None,
    priority: Annotated[
        int | None, typer.Option(min=0, max=9, help="9 goes first; 5 if left out.", show_default=False)
    ] = None,
    output: Annotated[str, typer.Option(help="jsonl or parquet.")] = "jsonl",
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress the parts of JSON Lines.")] = False,
    as_produced: Annotated[
        bool, typer.Option("--as-produced", help="Write results as they come, not in the order of the items.")
    ] = False,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Tell the end of the job there.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the job to its end.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Submit a batch; a local file or folder is uploaded first. Prints the job's id, with --wait its progress."""
    with ending_on_failure():
        from lambent_toolkit.jobs.client import JobsClient
        from lambent_toolkit.jobs.inputs import batch_input
        from lambent_toolkit.jobs.request import batch_request
        from lambent_toolkit.stacks.find import find_door

        options = {
            "version": version,
            "label": label,
            "lane": lane,
            "deadline": deadline,
            "priority": priority,
            "webhook": webhook,
            "output": {"format": output, "compression": "gzip" if gzip else "none"},
            "order": "produced" if as_produced else "item",
        }
        with JobsClient(find_door(stack)) as client:
            found = {**batch_input(client, source), **_without_none(format=input_format, id_column=id_column)}
            job = client.submit(batch_request(job_id, model, found, **options))
            if not wait:
                _tell_accepted(job)
                return
            screen().print(f"job {job['id']} accepted", markup=False)
            ended = watch_to_the_end(client, job["id"])
    jobs_watch.exit_as(ended)


def cancel(job_id: JobId, *, stack: StackChoice) -> None:
    """Stop a job; the parts that are finished stay."""
    with ending_on_failure(), _client(stack) as client:
        job = client.cancel(job_id)
    screen().print(
        f"job {job['id']} is {job['state']}: {job['done']} of {_total(job)} items have a result.", markup=False
    )


def retry(
    job_id: JobId,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the new job to its end.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Submit what failed in a job that has ended, as a job of its own on the same version."""
    with ending_on_failure(), _client(stack) as client:
        job = client.retry(job_id)
        if not wait:
            _tell_accepted(job)
            return
        screen().print(f"job {job['id']} accepted", markup=False)
        ended = watch_to_the_end(client, job["id"])
    jobs_watch.exit_as(ended)


def priority(
    job_id: JobId,
    value: Annotated[int, typer.Argument(metavar="0..9", min=0, max=9, show_default=False)],
    *,
    stack: StackChoice,
) -> None:
    """Change how much of the CPU lane a job that has not ended gets: 9 most, 0 least."""
    with ending_on_failure(), _client(stack) as client:
        job = client.set_priority(job_id, value)
    screen().print(f"job {job['id']} has priority {job['priority']} now.", markup=False)


def _client(stack: StackChoice) -> Any:
    from lambent_toolkit.jobs.client import JobsClient
    from lambent_toolkit.stacks.find import find_door

    return JobsClient(find_door(stack))


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _total(job: dict[str, Any]) -> str:
    return "?" if job["total"] is None else str(job["total"])


def _tell_accepted(job: dict[str, Any]) -> None:
    """Print the id alone where a script reads it, and what to do next where a person does."""
    console = screen()
    console.print(job["id"], markup=False, soft_wrap=True)
    if console.is_terminal:
        console.print(f"Next: lambent jobs watch {job['id']}", markup=False, soft_wrap=True)
