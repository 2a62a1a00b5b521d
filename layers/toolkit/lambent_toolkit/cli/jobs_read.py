"""Commands that read jobs: list, show, results, errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lambent_toolkit.cli.failures import REFUSED, ending_on_failure, say_failure
from lambent_toolkit.cli.jobs_watch import JobId
from lambent_toolkit.cli.screen import screen, typed
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.command("list")(takes_stack(list_jobs))
    for command in (show, results, errors):
        app.command()(takes_stack(command))


def list_jobs(
    job_state: Annotated[
        str | None,
        typer.Option("--in", metavar="STATE", help="Only jobs in this state, e.g. RUNNING.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Only jobs of this model.", show_default=False)
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only batch, or only call.", show_default=False)] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only jobs created after this RFC 3339 time.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    *,
    stack: StackChoice,
) -> None:
    """List jobs, the newest first."""
    with ending_on_failure(), _client(stack) as client:
        from lambent_toolkit.cli.jobs_show import jobs_table

        wanted = {
            "state": job_state.upper() if job_state else None,
            "model": model,
            "kind": kind,
            "created_after": since,
        }
        found = client.list(most=limit, **wanted)
        screen().print(jobs_table(found) if found else "No such job.")


def show(
    job_id: JobId,
    as_json: Annotated[bool, typer.Option("--json", help="As the API answers.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Show a job: how far it is, and why it is not running."""
    with ending_on_failure(), _client(stack) as client:
        job = client.show(job_id)
    if as_json:
        import json

        print(json.dumps(job, indent=2, ensure_ascii=False))
        return
    from lambent_toolkit.cli.jobs_show import job_table

    screen().print(job_table(job))


def results(
    job_id: JobId,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="JSON Lines; - or nothing is stdout.", show_default=False),
    ] = None,
    parts: Annotated[
        Path | None,
        typer.Option(
            "--parts", metavar="FOLDER", help="The files as they are stored instead, e.g. Parquet.", show_default=False
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for the end of a job that runs.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Read results, of a running job those that are there: one JSON object a line, in the order of the items."""
    with ending_on_failure(), _client(stack) as client:
        if parts is not None:
            _save_parts(client, job_id, parts)
            return
        from lambent.errors import NotAcceptable
        from lambent_toolkit.jobs.results import result_lines

        lines = result_lines(client, job_id, is_followed=follow)
        try:
            _print_lines(lines) if out is None or str(out) == "-" else _save_lines(lines, out)
        except NotAcceptable as exc:
            say_failure(
                "The results of this job are Parquet files: "
                f"`lambent jobs results {job_id} --parts FOLDER` saves them. ({exc.code})"
            )
            raise typer.Exit(REFUSED) from exc


def errors(
    job_id: JobId,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="At most so many.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Name the items that failed: their line in the input, their id, and why."""
    with ending_on_failure(), _client(stack) as client:
        found = client.errors(job_id, most=limit)
        if as_json:
            import json

            for error in found:
                print(json.dumps(error, ensure_ascii=False))
            return
        from lambent_toolkit.cli.jobs_show import errors_table

        listed = list(found)
        screen().print(errors_table(listed) if listed else "No item has failed.")


def _client(stack: StackChoice) -> Any:
    from lambent_toolkit.jobs.client import JobsClient
    from lambent_toolkit.stacks.find import find_door

    return JobsClient(find_door(stack))


def _print_lines(lines: Iterator[bytes]) -> None:
    for body in lines:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()


def _save_lines(lines: Iterator[bytes], out: Path) -> None:
    """Write lines as they come into a draft, and give it its name once it is whole."""
    from lambent_toolkit.modelkit.whole_files import DRAFT_SUFFIX, telling_of_full_disks

    count, draft = 0, out.with_name(f".{out.name}{DRAFT_SUFFIX}")
    try:
        with telling_of_full_disks(out.parent), draft.open("wb") as file:
            for body in lines:
                file.write(body)
                count += body.count(b"\n")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    screen().print(f"{count:,} lines in {typed(out)}", markup=False, soft_wrap=True)


def _save_parts(client: Any, job_id: str, folder: Path) -> None:
    from lambent_toolkit.jobs.results import save_parts

    count = 0
    for path, part in save_parts(client, job_id, folder):
        count += 1
        lines = "" if part["lines"] is None else f"  {part['lines']:,} results"
        screen().print(f"{typed(path)}{lines}", markup=False, soft_wrap=True)
    screen().print(f"{count} parts of job {job_id} in {typed(folder)}", markup=False, soft_wrap=True)
